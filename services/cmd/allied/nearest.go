package main

// nearest is the candidate that a person most likely meant by a misspelt name; ok is false where none is close.
func nearest(name string, candidates []string) (best string, ok bool) {
	least := len(name)/3 + 2
	for _, c := range candidates {
		if d := editDistance(name, c); d < least {
			best, least, ok = c, d, true
		}
	}
	return best, ok
}

// didYouMean is the end of a sentence about a misspelt name, empty where nothing is close.
func didYouMean(name string, candidates []string) string {
	if best, ok := nearest(name, candidates); ok {
		return `; did you mean "` + best + `"?`
	}
	return ""
}

// editDistance is Levenshtein's, in bytes: how many insertions, deletions and substitutions make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
