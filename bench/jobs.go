package main

import (
	"time"

	"github.com/minapp-go/minapp"
)

// group is jobs that do the same thing in different ways.
type group struct {
	name    string
	latency time.Duration // that the server adds
	unit    string        // what is counted: "" is rows
	often   int           // runs in a round, 0 is 1: for what takes little time
	rounds  size          // at most, 0 is all: for what is all waiting, or takes very long
	aside   bool          // not in the chart: what it shows is no ratio
	jobs    []job         // the others are compared with the first one
}

// What a group counts, if not rows.
const (
	calls     = "call"
	mebibytes = "MiB"
)

// job is one line of the table.
type job struct {
	name   string
	kind   kind
	rows   size
	do     run
	target target
}

// size is how many rows (or calls, or MiB) a job reads or writes. With latency, one request after
// the other takes as long for the last row as for the first, so that fewer rows
// tell its speed as well.
type size struct{ full, quick int }

// kind is whose work a job shows.
type kind int

const (
	theirs kind = iota // what people have without this client
	ours
	limit // the bytes alone
)

// target is what a job has to reach; a zero is no target.
type target struct {
	faster float64 // times the rows per second of the group's first job, at least
	noCPU  bool    // with no more CPU seconds
	slower float64 // times the time of the group's first job, at most
	allocs float64 // more allocations than the group's first job, per row or call, at most
	memory float64 // MiB, at most
}

const million = 1_000_000

// memory is the bound for every process that reads or writes a table.
const memory = 64

func times(n float64) target { return target{faster: n, memory: memory} }

func groups() []group {
	const (
		hand  = "by hand: net/http, encoding/json"
		retry = "go-retryablehttp, encoding/json"
		rest  = "resty v3"
	)
	large := func(quick int) size { return size{million, quick} }
	few := size{10_000, 1_500}
	fileMiB := size{4 << 10, 256}
	return []group{
		{name: "Read a table, no added latency", jobs: []job{
			{hand, theirs, large(60_000), readByOffset(newByHand, 0), target{}},
			{retry, theirs, large(60_000), readByOffset(newRetryable, 0), target{}},
			{rest, theirs, large(60_000), readByOffset(newResty, 0), target{}},
			{"All, in order", ours, large(60_000), all(0), times(0)},
			{"Scan", ours, large(60_000), scan(1), times(0)},
			{"Scan, 4 in parallel", ours, large(120_000), scan(4), target{faster: 1.7, noCPU: true, memory: memory}},
			{"Scan, 8 in parallel", ours, large(120_000), scan(8), times(0)},
			{"Scan, 32 in parallel", ours, large(120_000), scan(32), times(0)},
			{"Scan, goccy", ours, large(200_000), scan(1, fast()), times(0)},
			{"Scan, goccy, 4 in parallel", ours, large(300_000), scan(4, fast()), times(4.5)},
			{"Scan, goccy, 8 in parallel", ours, large(300_000), scan(8, fast()), times(0)},
			{"Scan, undecoded", ours, large(400_000), scanUndecoded(1), times(8)},
			{"Scan, undecoded, 4 in parallel", ours, large(600_000), scanUndecoded(4), times(14)},
			{"limit: bodies thrown away", limit, large(million), discardPages(1), target{}},
			{"limit: bodies thrown away, 4 in parallel", limit, large(million), discardPages(4), target{}},
		}},
		{name: "Read a table, 5 ms latency", latency: 5 * time.Millisecond, jobs: []job{
			{hand, theirs, size{200_000, 20_000}, readByOffset(newByHand, 0), target{}},
			{"Scan, 8 in parallel", ours, large(120_000), scan(8), times(0)},
			{"Scan, 32 in parallel", ours, large(120_000), scan(32), times(0)},
			{"Scan, goccy, 32 in parallel", ours, large(300_000), scan(32, fast()), times(0)},
		}},
		{name: "Read a table, 50 ms latency", latency: 50 * time.Millisecond, jobs: []job{
			{hand, theirs, size{100_000, 10_000}, readByOffset(newByHand, 0), target{}},
			{"Scan, 8 in parallel", ours, large(240_000), scan(8), times(7.5)},
			{"Scan, 32 in parallel", ours, large(500_000), scan(32), times(21)},
			{"Scan, goccy, 32 in parallel", ours, large(600_000), scan(32, fast()), times(28)},
			{"Scan, undecoded, 32 in parallel", ours, large(600_000), scanUndecoded(32), times(0)},
		}},
		{name: "Read a table, 500 ms latency", latency: 500 * time.Millisecond, rounds: size{2, 1}, jobs: []job{
			{hand, theirs, size{10_000, 2_000}, readByOffset(newByHand, 0), target{}},
			{"Scan, 32 in parallel", ours, large(96_000), scan(32), times(0)},
		}},
		{name: "Read in order, 50 ms latency, 25 ms of work on each page", latency: 50 * time.Millisecond, rounds: size{0, 1}, jobs: []job{
			{hand, theirs, size{100_000, 25_000}, readByOffset(newByHand, 25*time.Millisecond), target{}},
			{"All, in order", ours, size{100_000, 25_000}, all(25 * time.Millisecond), times(1.4)},
		}},
		{name: "Write a table, no added latency", jobs: []job{
			{hand, theirs, large(100_000), createInOrder(newByHand), target{}},
			{retry, theirs, large(100_000), createInOrder(newRetryable), target{}},
			{rest, theirs, large(100_000), createInOrder(newResty), target{}},
			{"CreateAll", ours, large(100_000), createAll(minapp.BatchOptions{}), times(0)},
			{"CreateAll, goccy", ours, large(100_000), createAll(minapp.BatchOptions{}, fast()), times(0)},
			{"CreateAll, 8 in parallel", ours, large(200_000), createAll(minapp.BatchOptions{Parallel: 8}), times(2.2)},
			{"CreateAll, goccy, 8 in parallel", ours, large(200_000), createAll(minapp.BatchOptions{Parallel: 8}, fast()), times(0)},
			{"limit: encoded before, answers thrown away", limit, large(million), postPrepared(1), target{}},
			{"limit: the same, 4 in parallel", limit, large(million), postPrepared(4), target{}},
		}},
		{name: "Write a table, 100 ms latency", latency: 100 * time.Millisecond, rounds: size{0, 1}, jobs: []job{
			{hand, theirs, size{30_000, 5_000}, createInOrder(newByHand), target{}},
			{"CreateAll", ours, size{30_000, 5_000}, createAll(minapp.BatchOptions{}), times(0)},
			{"CreateAll, 32 in parallel", ours, size{960_000, 160_000}, createAll(minapp.BatchOptions{Parallel: 32}), times(28)},
		}},
		{name: "Get one record, no added latency", unit: calls, often: 3, jobs: []job{
			{hand, theirs, few, getEach(newByHand), target{}},
			{retry, theirs, few, getEach(newRetryable), target{}},
			{rest, theirs, few, getEach(newResty), target{}},
			{"Get", ours, few, get(), target{slower: 1.05, allocs: 18}},
			{"Get, goccy", ours, few, get(fast()), target{}},
			{"limit: bodies thrown away", limit, few, discardEach(), target{}},
		}},
		{name: "Read ten million rows: memory does not grow", rounds: size{1, 1}, aside: true, jobs: []job{
			{"Scan, goccy, 4 in parallel, a tenth of the rows", ours, large(100_000), scan(4, fast()), times(0)},
			{"Scan, goccy, 4 in parallel", ours, size{10 * million, million}, scan(4, fast()), times(0)},
		}},
		{name: "Write ten million rows: memory does not grow", rounds: size{1, 1}, aside: true, jobs: []job{
			{"CreateAll, goccy, a tenth of the rows", ours, large(20_000), createAll(minapp.BatchOptions{}, fast()), times(0)},
			{"CreateAll, goccy", ours, size{10 * million, 200_000}, createAll(minapp.BatchOptions{}, fast()), times(0)},
		}},
		{name: "Move a file of 4 GiB: memory does not grow", unit: mebibytes, rounds: size{1, 1}, aside: true, jobs: []job{
			{"Imports.Start", ours, fileMiB, upload, times(0)},
			{"Exports.Download", ours, fileMiB, download, times(0)},
			{"Exports.DownloadFile", ours, fileMiB, downloadFile, times(0)},
		}},
	}
}
