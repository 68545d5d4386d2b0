package byoa

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// File is a file of a task and how its export went.
type File struct {
	ID      string // of this record of the export, not of the file in its volume
	Name    string
	Type    FileType
	Path    []string // in segments
	Status  FileStatus
	Details string // the service's own words, such as why it failed
	Created Time
	Started Time // "" before it runs
	Ended   Time // "" before it has ended
}

// UnmarshalJSON reads a file of a list.
func (f *File) UnmarshalJSON(data []byte) error {
	var w struct {
		ID      text     `json:"id"`
		Name    text     `json:"file_name"`
		Type    text     `json:"file_type"`
		Path    []string `json:"full_path"`
		Status  number   `json:"status"`
		Details text     `json:"details"`
		Created Time     `json:"create_time"`
		Started Time     `json:"start_time"`
		Ended   Time     `json:"end_time"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*f = File{
		ID: string(w.ID), Name: string(w.Name), Type: FileType(w.Type), Path: w.Path, Status: FileStatus(w.Status),
		Details: string(w.Details), Created: w.Created, Started: w.Started, Ended: w.Ended,
	}
	return nil
}

// FileType is the type of a file as the service spells it: a number, or in
// generation 5.0 a name such as "csv".
type FileType string

// String adds the name to a number that is known: "pdf (2)".
func (t FileType) String() string {
	n, err := strconv.Atoi(string(t))
	if err != nil || n < 0 || n >= len(fileTypes) {
		return string(t)
	}
	return fmt.Sprintf("%s (%d)", fileTypes[n], n)
}

// fileTypes are the names of the numbers that the pages of MOI 4 explain.
var fileTypes = [...]string{
	"none", "txt", "pdf", "image", "ppt", "word", "markdown", "csv", "parquet", "sql", "dir", "docx",
	"pptx", "wav", "mp3", "aac", "flac", "mp4", "mov", "mkv", "png", "jpg", "jpeg", "bmp",
}
