package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"
)

// printTable prints a block for each group, then what the run says about
// itself.
func printTable(out io.Writer, groups []groupSummary, costs []cost) error {
	var b strings.Builder
	load, _ := os.ReadFile("/proc/loadavg") // said if it can be
	fmt.Fprintf(&b, "%s, %s/%s, %d cores; load meanwhile: %.14s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load)
	missed, busiest := 0, 0.0
	for _, g := range groups {
		count, speed, per := "rows", "rows/s", "row"
		switch g.unit {
		case calls:
			count, speed, per = "calls", "µs/call", "call"
		case mebibytes:
			count, speed, per = "MiB", "MiB/s", "MiB"
		}
		fmt.Fprintf(&b, "\n%s%9s%9s%8s%8s%12s%10s%8s  target\n", left(g.name, 62), count, speed, "×", "CPU ×", "allocs/"+per, "peak MiB", "server")
		for _, s := range g.jobs {
			verdict, ok := s.verdict()
			if !ok {
				missed++
			}
			if s.kind != limit && g.unit == "" {
				busiest = max(busiest, s.Server)
			}
			fmt.Fprintf(&b, "  %s%9d%9s%8.2f%8.2f%12.1f%10.0f%7.0f%%  %s\n", left(s.name, 60), s.Rows, s.speed(g.unit == calls), s.Ratio, s.CPURatio, s.Allocs, s.Peak, 100*s.Server, verdict)
		}
	}
	fmt.Fprintf(&b, `
×         rows per second, or calls per second, against the first line of the block: median of the ratios within each round
CPU ×     CPU seconds of the process for the same number of rows, against the first line
server    the server's share of the CPU time that both processes took; at most %.0f %% when tables are read and written, but for the limits
targets   %d missed; they are set for the full run, where a table has a million rows
`, 100*busiest, missed)
	printCosts(&b, costs)
	_, err := io.WriteString(out, b.String())
	return err
}

func left(text string, width int) string {
	return text + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(text)))
}

func (s *summary) speed(perCall bool) string {
	if perCall {
		return fmt.Sprintf("%.0f", 1e6/s.Rate)
	}
	return thousands(s.Rate)
}

// thousands shortens a number to three digits: 1.23M, 456k.
func thousands(n float64) string {
	switch {
	case n >= 9.995e5:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3gk", n/1e3)
	}
	return fmt.Sprintf("%.3g", n)
}

// verdict says what a job has to reach, and whether it does.
func (s *summary) verdict() (text string, ok bool) {
	var asked, missed []string
	demand := func(is bool, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if asked = append(asked, text); !is {
			missed = append(missed, text)
		}
	}
	t := s.target
	if t.faster > 0 {
		demand(s.Ratio >= t.faster, "≥ %g ×", t.faster)
	}
	if t.noCPU {
		demand(s.CPURatio <= 1, "CPU ≤ 1 ×")
	}
	if t.slower > 0 {
		demand(1/s.Ratio <= t.slower, "time ≤ %g ×", t.slower)
	}
	if t.allocs > 0 {
		demand(s.Extra <= t.allocs, "≤ %g allocs more", t.allocs)
	}
	if t.memory > 0 {
		demand(s.Peak <= t.memory, "≤ %g MiB", t.memory)
	}
	switch {
	case len(asked) == 0:
		return "", true
	case len(missed) == 0:
		return strings.Join(asked, ", ") + ": met", true
	}
	return strings.Join(asked, ", ") + ": MISSED " + strings.Join(missed, ", "), false
}
