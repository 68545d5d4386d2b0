package migrate

import (
	"os"
	"syscall"
)

// OnSmallDisk makes a sink of a file write to a disk with room for so many
// bytes: a write that does not fit is cut, as it is on a disk that is full.
func OnSmallDisk[D any](s Sink[D], room *int64) Sink[D] {
	sink := s.(*fileSink[D])
	sink.open = func(path string, flag int) (diskFile, error) {
		file, err := openDisk(path, flag)
		return smallDisk{file, room}, err
	}
	return sink
}

type smallDisk struct {
	diskFile
	room *int64
}

func (d smallDisk) WriteAt(p []byte, off int64) (int, error) {
	left := max(0, *d.room-off)
	if int64(len(p)) <= left {
		return d.diskFile.WriteAt(p, off)
	}
	n, err := d.diskFile.WriteAt(p[:left], off)
	if err == nil {
		err = &os.PathError{Op: "write", Path: "file", Err: syscall.ENOSPC}
	}
	return n, err
}
