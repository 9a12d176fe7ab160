package term

import "strings"

// wordBytesMax bounds the words whose meaning is guessed.
const wordBytesMax = 128

// Nearest returns the allowed word that a misspelt one most likely means, whatever its case; empty where none is near.
func Nearest(word string, allowed []string) string {
	word = strings.ToLower(strings.TrimSpace(word))
	if len(word) > wordBytesMax {
		return ""
	}
	best, least := "", 1+max(1, len(word)/3)
	for _, a := range allowed {
		if d := distance(word, strings.ToLower(a)); d < least {
			best, least = a, d
		}
	}
	return best
}

// distance is how many bytes must be added, removed, changed or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(last[j+1]+1, next[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}
