//go:build !linux

package filelog_test

import "os"

func dataSync(f *os.File) error { return f.Sync() }
