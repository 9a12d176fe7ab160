package sqlite

// LimitMemory sets what a statement may add to the memory of the process.
func (q *Queries) LimitMemory(mebibytesMax int64) { q.memoryMiBMax = mebibytesMax }
