// Package progress shows how far a migration is: a bar on a terminal, and a line
// for every tenth where the output goes elsewhere.
package progress

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/minapp-go/minapp/migrate"
)

// Show returns what a plan's OnProgress is.
func Show() func(migrate.Progress) {
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return bar()
	}
	return lines()
}

func bar() func(migrate.Progress) {
	var b *progressbar.ProgressBar
	return func(p migrate.Progress) {
		if b == nil {
			b = progressbar.NewOptions64(max(p.Total, 1),
				progressbar.OptionSetWriter(os.Stdout),
				progressbar.OptionShowCount(),
				progressbar.OptionShowIts(),
				progressbar.OptionSetItsString("rows"),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionSetWidth(30),
				progressbar.OptionOnCompletion(func() { fmt.Println() }),
			)
		}
		b.Describe(fmt.Sprintf("%d rejected", p.Rejected))
		_ = b.Set64(min(p.Read, max(p.Total, 1))) // only the display suffers
	}
}

func lines() func(migrate.Progress) {
	shown := int64(0)
	return func(p migrate.Progress) {
		tenth := p.Read * 10 / max(p.Total, 1)
		if tenth <= shown {
			return
		}
		shown = tenth
		left := ""
		if d, ok := p.Left(); ok && d > 0 {
			left = fmt.Sprintf(", %s left", d.Round(time.Second))
		}
		fmt.Printf("%3d %%  %d of about %d rows, %d rejected, %.0f a second%s\n", tenth*10, p.Read, p.Total, p.Rejected, p.Rate(), left)
	}
}
