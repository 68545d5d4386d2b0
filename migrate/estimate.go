package migrate

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Estimate is what a plan will take, as far as it can be known beforehand.
type Estimate struct {
	Rows  int64 // of the source
	Read  Cost  // of the source
	Write Cost  // of so many rows as the source has
	Known bool  // the source and the sink have both said something
}

// Estimate asks the source and the sink what the plan will take, which costs a
// few requests that read, and are repeated automatically. It writes nothing. A
// plan with DryRun reads everything and counts exactly what it would write.
func (p Plan[S, D]) Estimate(ctx context.Context) (Estimate, error) {
	var e Estimate
	if err := p.check(); err != nil {
		return e, err
	}
	source, reads := p.Source.(SourceEstimator)
	sink, writes := p.Sink.(SinkEstimator)
	e.Known = reads && writes
	var err error
	if reads {
		if e.Read, err = source.Estimate(ctx); err != nil {
			return e, wrap(p.Source.String(), err)
		}
		e.Rows = e.Read.Rows
	}
	parts, err := p.Source.Parts(ctx, p.pieces())
	if err != nil {
		return e, wrap(p.Source.String(), err)
	}
	if writes {
		if e.Write, err = sink.Estimate(ctx, e.Rows); err != nil {
			return e, wrap(p.Sink.String(), err)
		}
	}
	// Each part ends with a request that is not full, and so with such a write.
	if reads && e.Read.Requests > 0 {
		e.Read.Requests += int64(len(parts))
	}
	if writes && e.Write.Requests > 0 {
		e.Write.Requests += int64(len(parts))
	}
	return e, nil
}

// Requests is the number of requests that are counted against the plans of the
// services.
func (e Estimate) Requests() int64 { return e.Read.Requests + e.Write.Requests }

// Duration is the least time that the requests take at so many a minute.
func (e Estimate) Duration(perMinute float64) time.Duration {
	if perMinute <= 0 {
		return 0
	}
	return time.Duration(float64(e.Requests()) / perMinute * float64(time.Minute))
}

// String is one line for people, without the time.
func (e Estimate) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows, about %d requests (%d to read, %d to write)", e.Rows, e.Requests(), e.Read.Requests, e.Write.Requests)
	if e.Read.Bytes > 0 {
		fmt.Fprintf(&b, ", %.1f MB", float64(e.Read.Bytes)/1e6)
	}
	if !e.Known {
		b.WriteString("; one side cannot tell what it takes")
	}
	return b.String()
}
