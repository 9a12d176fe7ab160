package filelog_test

import "syscall"

func (r *rawFile) write(records int) error {
	size := records * benchRecordBytes
	if r.at+int64(size) > rawFileBytes {
		r.at = 0
	}
	if _, err := r.file.WriteAt(r.group[:size], r.at); err != nil {
		return err
	}
	r.at += int64(size)
	return syscall.Fdatasync(int(r.file.Fd()))
}
