// Package answer reads what the services answer, short of rows: whether a body
// is whole and JSON (body.go), MOI's envelope (envelope.go), what an error body
// says (complaint.go), and the headers that matter (header.go).
package answer
