// Package byoa has the words of the export-task API of MatrixOne Intelligence
// (MOI; "bring your own agent" in its paths): what a task is made of, what the
// service says about it, and what that means. It sends nothing; the services
// ExportTasks and Connectors of package minapp do. A [TaskSpec] is made by
// [Connector.Task] and a target: [Dify], [ObjectStorage] or [MatrixOne].
//
// Source: MOI data_export_api, the page on export tasks, and data_connect_api,
// the page of connectors.
//
// # What these tasks move
//
// Export tasks copy files of a MOI volume, as they are or as MOI has processed
// them, to Dify, to object storage (S3 or OSS) or to a MatrixOne database. The
// files are already in MOI. Rows of minapp tables are no files of a volume, and
// no task moves them: export a table to a file with package minapp, and load
// that file into MOI first.
//
// # What a service may answer
//
// Deployments differ, and documents contradict each other. So numbers of types
// and statuses are passed through, known or not, and an unknown one is never a
// success; ids are text, whether they came as a string or as an integer of 19
// digits; a [Time] keeps what was received and guesses no zone.
//
// A task that the service calls completed need not have succeeded:
// [Task.Verdict] judges by the counters of its files.
package byoa
