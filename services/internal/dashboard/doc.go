// Package dashboard tests what people see of a ledger in a browser, by the path on which the program serves it.
package dashboard
