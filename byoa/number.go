package byoa

import "fmt"

// Type is where a task exports to, and the number is also the source type of
// the task's connector. Sources disagree about the numbers, so that none is
// refused: [Connector.Task] passes on the connector's own.
type Type int

// The types, with the numbers of the API's page on export tasks. Source: MOI
// data_export_api.
const (
	// TypeDify is Dify: 1 there and on the page of connectors, 6 in the only
	// public client code, where 1 is a local upload. Generation 5.0 of the API
	// does not export to Dify.
	TypeDify Type = 1
	// TypeObjectStorage is S3 and OSS: 2 in one sample there. The page of
	// connectors has HDFS as 2; it, the public client code and generation 5.0
	// have OSS as 4 and S3 as 5.
	TypeObjectStorage Type = 2
	// TypeMatrixOne is MatrixOne: 3 in every source.
	TypeMatrixOne Type = 3
)

// String is the name and the number: "Dify (1)".
func (t Type) String() string {
	return named(int(t), map[int]string{1: "Dify", 2: "object storage", 3: "MatrixOne"})
}

// TaskStatus is what the service says of a whole task. It says whether the
// task has ended, not whether it succeeded; see [Task.Verdict].
type TaskStatus int

// The statuses of a task. The numbers are those of public client code
// (inferred: the page on export tasks names none).
const (
	TaskInProgress TaskStatus = 1
	TaskCompleted  TaskStatus = 2 // has ended; files may have failed
	TaskFailed     TaskStatus = 3
)

// String is the name and the number: "completed (2)".
func (s TaskStatus) String() string {
	return named(int(s), map[int]string{1: "in progress", 2: "completed", 3: "failed"})
}

// FileStatus is how far one file of a task is.
type FileStatus int

// The statuses of a file. The first three are those of public client code, the
// last is that of a sample (inferred: the page on export tasks explains none).
const (
	FilePending   FileStatus = 0
	FileRunning   FileStatus = 1
	FileSucceeded FileStatus = 2
	FileFailed    FileStatus = 3
)

// String is the name and the number: "failed (3)".
func (s FileStatus) String() string {
	return named(int(s), map[int]string{0: "pending", 1: "running", 2: "succeeded", 3: "failed"})
}

// Usage is what a connector may be used for.
type Usage int

// The usages. An export needs a connector for [UsageExport].
const (
	UsageImport Usage = 1
	UsageExport Usage = 2
)

// String is the name and the number: "export (2)".
func (u Usage) String() string {
	return named(int(u), map[int]string{1: "import", 2: "export"})
}

func named(n int, names map[int]string) string {
	if name, ok := names[n]; ok {
		return fmt.Sprintf("%s (%d)", name, n)
	}
	return fmt.Sprintf("unknown (%d)", n)
}
