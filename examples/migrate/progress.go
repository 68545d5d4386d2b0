package main

import (
	"fmt"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a run is: a bar with rate and remaining time on a
// terminal, and a line for every tenth where the output goes elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar // nil without a terminal
	total int64
	shown int64 // tenths that have their line
}

func newProgress(total int64) *progress {
	p := &progress{total: total}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(os.Stdout),
			progressbar.OptionSetDescription("rows"),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("rows"),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetWidth(30),
			progressbar.OptionOnCompletion(func() { fmt.Println() }),
		)
	}
	return p
}

func (p *progress) set(written int64) {
	if p.bar != nil {
		_ = p.bar.Set64(written) // only the display suffers
		return
	}
	if tenth := written * 10 / max(1, p.total); tenth > p.shown {
		p.shown = tenth
		fmt.Printf("%3d %%  %d of %d rows\n", tenth*10, written, p.total)
	}
}

// done leaves the bar's line if the run ended before its end.
func (p *progress) done() {
	if p.bar != nil && !p.bar.IsFinished() {
		fmt.Println()
	}
}
