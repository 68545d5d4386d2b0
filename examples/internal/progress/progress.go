// Package progress shows how far a migration is: a bar on a terminal, and a line
// for every tenth where the output goes elsewhere.
package progress

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// Progress is what is shown of one run.
type Progress struct {
	client *minapp.Client           // counts what was repeated
	bar    *progressbar.ProgressBar // nil without a terminal
	tenth  int64                    // that has its line
}

// New shows a run that goes through the client.
func New(client *minapp.Client) *Progress {
	p := &Progress{client: client}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(os.Stdout),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("rows"),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetWidth(30),
		)
	}
	return p
}

// Show is the OnProgress of the plan.
func (p *Progress) Show(now migrate.Progress) {
	troubles := fmt.Sprintf("%d rejected, %d requests repeated", now.Rejected, p.client.Stats().Retries)
	if p.bar != nil {
		p.bar.ChangeMax64(max(now.Total, now.Read, 1))
		p.bar.Describe(troubles)
		_ = p.bar.Set64(now.Read) // only the display suffers
		return
	}
	tenth := now.Read * 10 / max(1, now.Total)
	if tenth <= p.tenth {
		return
	}
	p.tenth = tenth
	line := fmt.Sprintf("%3d %%  %d of %d rows, %.0f a second, %s", tenth*10, now.Read, now.Total, now.Rate(), troubles)
	if left, ok := now.Left(); ok {
		line += ", " + left.Round(100*time.Millisecond).String() + " left"
	}
	fmt.Println(line)
}

// Done leaves the line of the bar.
func (p *Progress) Done() {
	if p.bar != nil {
		fmt.Println()
	}
}
