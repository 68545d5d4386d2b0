package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// The answers to a question. Only the first two settle it.
const (
	yes     = "yes"
	no      = "no"
	unclear = "?"
)

// finding is the answer to one question.
type finding struct {
	question string
	verdict  string
	detail   string
	settles  string // what of docs/inferred.md; "" is nothing
}

// report is what is known of a table so far.
type report struct {
	client   *minapp.Client
	emulated bool
	traffic  *readOnly
	pages    int
	info     *minapp.TableInfo
	rows     *minapp.Table[minapp.Fields]
	total    int64
	findings []finding
}

func (r *report) add(question, verdict, settles, format string, args ...any) {
	r.findings = append(r.findings, finding{question, verdict, fmt.Sprintf(format, args...), settles})
}

// inspect asks everything. Only what makes the rest pointless is an error.
func (r *report) inspect(ctx context.Context, table minapp.TableID) error {
	var err error
	if r.info, err = r.client.Tables.Get(ctx, table); err != nil {
		return fmt.Errorf("reading the table: %w", err)
	}
	r.rows = minapp.TableOf[minapp.Fields](r.client, table)
	if r.total, err = r.rows.Count(ctx, where.Everything()); err != nil {
		return fmt.Errorf("counting its rows: %w", err)
	}
	for _, ask := range []func(context.Context){
		r.comparable, r.sortable, r.idComparable, r.orderByTwo, r.rangeEnds,
		r.next, r.totalCount, r.operators, r.exports, r.refusals, r.compression, r.latency,
	} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		ask(ctx)
	}
	return nil
}

// print writes the page.
func (r *report) print(out io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	p("Table %s %q: %d columns, %d rows. %d requests, all of them reads.\n", r.info.ID, r.info.Name, len(r.info.Fields), r.total, r.client.Stats().Requests)
	for _, f := range r.findings {
		p("%-34s %-4s %s", f.question, f.verdict, f.detail)
	}
	var settled, open []string
	for _, f := range r.findings {
		switch {
		case f.settles == "":
		case f.verdict == unclear:
			open = append(open, f.settles)
		default:
			settled = append(settled, f.settles)
		}
	}
	p("\nSettled by this run, of docs/inferred.md:%s", lines(settled))
	p("Still open:%s", lines(open))
	if r.emulated {
		p("This was the emulator, which settles nothing about the service.")
	}
}

// lines puts a list on lines that fit a page.
func lines(list []string) string {
	if len(list) == 0 {
		return " nothing"
	}
	var b strings.Builder
	width := 100
	for i, text := range list {
		if i < len(list)-1 {
			text += ";"
		}
		if width += 1 + len(text); width > 90 {
			b.WriteString("\n ")
			width = 1 + len(text)
		}
		b.WriteString(" " + text)
	}
	return b.String()
}

// column finds a column of a type; "" if there is none.
func (r *report) column(kind string) string {
	for _, f := range r.info.Fields {
		if f.Type == kind && !strings.HasPrefix(f.Name, "_") && f.Name != "id" {
			return f.Name
		}
	}
	return ""
}

// refusal tells a refusal by the service from other ends of a call.
func refusal(err error) (verdict, text string) {
	if e, ok := errors.AsType[*minapp.Error](err); ok && e.StatusCode >= 400 && e.StatusCode < 500 && e.StatusCode != 429 {
		return no, fmt.Sprintf("%d %s", e.StatusCode, shorten(e.Message))
	}
	return unclear, shorten(err.Error())
}

func shorten(text string) string {
	if utf8.RuneCountInString(text) <= 70 {
		return text
	}
	return string([]rune(text)[:69]) + "…"
}
