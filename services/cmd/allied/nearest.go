package main

import "github.com/allied-ledger/allied/events/term"

// didYouMean is the end of a sentence about a misspelt name, empty where nothing is close.
func didYouMean(name string, candidates []string) string {
	if near := term.Nearest(name, candidates); near != "" {
		return `; did you mean "` + near + `"?`
	}
	return ""
}
