// Package chaos holds the tests that kill the real binary under load and then compare the books.
package chaos
