package minapp

import (
	"fmt"
	"strings"
)

// The states of an export job. There is none for a job that failed; states that
// this list does not have are passed through.
const (
	ExportPending  = "pending" // waits for its turn
	ExportRunning  = "ready"   // is being worked at, which the word does not say
	ExportFinished = "finish"
)

// ExportRef is all that is needed to find an export job again, also in another
// process. It is plain data.
type ExportRef struct {
	Table TableID `json:"table"`
	Job   string  `json:"job"`
}

func (r ExportRef) check() error {
	if err := r.Table.check(); err != nil {
		return fmt.Errorf("ExportRef.Table: %w", err)
	}
	return nil
}

// ExportJob is a job as the service describes it.
type ExportJob struct {
	Ref         ExportRef
	Status      string // ExportPending, ExportRunning, ExportFinished, or one that this package does not know
	Operation   string // always "export"
	FileType    FileType
	FileName    string    // "" until it is finished
	DownloadURL SignedURL // "" until it is finished; how long it is valid is not documented
	CreatedAt   Timestamp
	UpdatedAt   Timestamp
}

// Finished reports whether the file is there: the state alone does not say so.
func (j *ExportJob) Finished() bool { return j.Status == ExportFinished && j.DownloadURL != "" }

// Format keeps the query of DownloadURL out also where package fmt does not ask
// it how it is printed: with %s, behind a pointer in a list.
func (j ExportJob) Format(f fmt.State, verb rune) {
	type plain ExportJob
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), plain(j))
}

// SignedURL is an address whose query lets anybody read the file. Printing,
// logging and encoding leave the query out; string(u) is all of it. Package fmt
// asks no value how it is printed that is in an unexported field of a struct:
// print such a struct field by field.
type SignedURL string

// String is the address without its query.
func (u SignedURL) String() string {
	address, _, signed := strings.Cut(string(u), "?")
	if signed {
		address += "?[redacted]"
	}
	return address
}

// Format keeps every verb from showing the query.
func (u SignedURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText keeps the query out of JSON, in which logs encode structs. An
// [ExportRef] is what other processes are given.
func (u SignedURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// exportAnswer is a job as the service spells it.
type exportAnswer struct {
	Job         string    `json:"job_id"`
	Status      string    `json:"status"`
	Operation   string    `json:"operation"`
	FileType    FileType  `json:"file_type"`
	FileName    string    `json:"file_name"`
	DownloadURL string    `json:"download_url"`
	CreatedAt   Timestamp `json:"created_at"`
	UpdatedAt   Timestamp `json:"updated_at"`
}

func (a exportAnswer) job(table TableID) *ExportJob {
	return &ExportJob{
		Ref: ExportRef{table, a.Job}, Status: a.Status, Operation: a.Operation, FileType: a.FileType, FileName: a.FileName,
		DownloadURL: SignedURL(a.DownloadURL), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}
