// Package reference holds the tests that write docs/reference from the sources, and fail where it no longer says what they say.
package reference
