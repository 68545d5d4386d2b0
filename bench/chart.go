package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"runtime"
	"strconv"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Sizes of the chart. The left panel has a line for each job.
const (
	chartWidth = 15 * vg.Inch
	costsWidth = 5 * vg.Inch
	lineHeight = 17 * vg.Length(1)
	margin     = 12 * vg.Length(1)
)

func kindColor(k kind) color.Color {
	switch k {
	case ours:
		return color.RGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}
	case limit:
		return color.RGBA{R: 0xc8, G: 0xc8, B: 0xc8, A: 0xff}
	default:
		return color.RGBA{R: 0x8c, G: 0x8c, B: 0x8c, A: 0xff}
	}
}

// drawChart writes an SVG of two panels: how much faster each job is, and what
// reading costs the service.
func drawChart(file string, groups []groupSummary, costs []cost) error {
	b := newBars(groups)
	reading, err := costPlot(costs)
	if err != nil {
		return err
	}
	height := lineHeight*vg.Length(len(b.lines)) + 1.2*vg.Inch
	svg := vgsvg.New(chartWidth, height)
	canvas := draw.New(svg)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Path())
	canvas = draw.Crop(canvas, margin, -margin, margin, -margin)
	b.plot().Draw(draw.Crop(canvas, 0, -costsWidth-2*margin, 0, 0))
	right := chartWidth - costsWidth - 2*margin
	below := height - costsWidth - 2*margin
	reading.Draw(draw.Crop(canvas, right, 0, below, 0))
	key().Draw(draw.Crop(canvas, right+3*margin, 0, 0, -costsWidth-3*margin))
	var buf bytes.Buffer
	if _, err := svg.WriteTo(&buf); err != nil {
		return err
	}
	// Whoever has not the font gets one of the same kind.
	data := bytes.ReplaceAll(buf.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(file, data, 0o644)
}

// newPlot is a plot in the chart's font.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding, p.Title.TextStyle.Font.Size = title, 10, 14
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = 11, 11
	p.Legend.TextStyle.Font.Size = 11
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
	return p
}

// key says what the colours mean.
func key() *plot.Legend {
	p := newPlot("")
	l := &p.Legend
	l.Top, l.Left, l.Padding, l.ThumbnailWidth = true, true, 5, 14
	l.Add("this client", swatch{kindColor(ours)})
	l.Add("other ways to call the service", swatch{kindColor(theirs)})
	l.Add("limit: the bytes alone", swatch{kindColor(limit)})
	l.Add("to be reached at least", mark{})
	l.Add(fmt.Sprintf("%s, %d cores, shared with the server", runtime.Version(), runtime.NumCPU()))
	return l
}

type swatch struct{ color.Color }

// Thumbnail fills the box.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(s.Color, []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}})
}

type mark struct{}

// Thumbnail draws the mark of a target.
func (mark) Thumbnail(c *draw.Canvas) {
	c.StrokeLine2(targetLine(), c.Center().X, c.Min.Y, c.Center().X, c.Max.Y)
}

func targetLine() draw.LineStyle {
	return draw.LineStyle{Color: color.RGBA{R: 0xd6, G: 0x2f, B: 0x2f, A: 0xff}, Width: 2}
}

// bars is the left panel, from top to bottom: a line with the name of each
// group, and below it one for each of its jobs.
type bars struct {
	lines []line
	most  float64
	style text.Style
}

type line struct {
	heading string
	summary // of a job, without heading
}

func newBars(groups []groupSummary) *bars {
	b := &bars{most: 1}
	for _, g := range groups {
		if g.aside {
			continue
		}
		b.lines = append(b.lines, line{heading: g.name})
		for _, s := range g.jobs {
			b.lines = append(b.lines, line{summary: s})
			b.most = max(b.most, s.Ratio, s.target.faster)
		}
	}
	return b
}

const leastRatio = 0.25

func (b *bars) plot() *plot.Plot {
	p := newPlot("Times as fast as a loop written by hand with net/http and encoding/json")
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, leastRatio, b.most*1.8
	var ticks plot.ConstantTicks
	for at := leastRatio; at <= p.X.Max; at *= 2 {
		ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprintf("%g×", at)})
	}
	var names plot.ConstantTicks
	for i, l := range b.lines {
		names = append(names, plot.Tick{Value: b.y(i), Label: l.name})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks, names
	p.Y.Min, p.Y.Max = -0.7, float64(len(b.lines))-0.3
	p.Y.Tick.Length, p.Y.Width = 0, 0
	b.style = p.Y.Tick.Label
	b.style.XAlign, b.style.YAlign = draw.XLeft, draw.YCenter
	p.Add(b)
	return p
}

func (b *bars) y(i int) float64 { return float64(len(b.lines) - 1 - i) }

// Plot draws the lines over a grid.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		grid := draw.LineStyle{Color: color.Gray{Y: 0xe4}, Width: 0.6}
		if tick.Value == 1 {
			grid = draw.LineStyle{Color: color.Gray{Y: 0x40}, Width: 1}
		}
		c.StrokeLine2(grid, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
	}
	for i, l := range b.lines {
		if at := y(b.y(i)); l.heading != "" {
			b.drawHeading(&c, at, l.heading)
		} else {
			b.drawBar(&c, x, at, l.summary)
		}
	}
}

const halfBar = lineHeight * 0.33

func (b *bars) drawHeading(c *draw.Canvas, y vg.Length, text string) {
	bold := b.style
	bold.Font.Weight = stdfont.WeightBold
	fillBox(c, color.White, c.Min.X, c.Min.X+bold.Width(text)+4, y-halfBar, y+halfBar)
	c.FillText(bold, vg.Point{X: c.Min.X, Y: y}, text)
}

// drawBar draws a bar from 1 to the ratio, to the right what is faster, and a
// mark where the job has to reach.
func (b *bars) drawBar(c *draw.Canvas, x func(float64) vg.Length, y vg.Length, s summary) {
	end := x(max(leastRatio, s.Ratio))
	fillBox(c, kindColor(s.kind), x(1), end, y-halfBar, y+halfBar)
	end = max(end, x(1))
	if goal := s.target.goal(); goal > 0 {
		c.StrokeLine2(targetLine(), x(goal), y-halfBar-1.5, x(goal), y+halfBar+1.5)
		end = max(end, x(goal))
	}
	digits := 2
	if s.Ratio >= 10 {
		digits = 1
	}
	c.FillText(b.style, vg.Point{X: end + 5, Y: y}, fmt.Sprintf("%.*f×", digits, s.Ratio))
}

func fillBox(c *draw.Canvas, fill color.Color, left, right, bottom, top vg.Length) {
	c.FillPolygon(fill, []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}})
}

// goal is where the mark of a target stands; 0 is none.
func (t target) goal() float64 {
	if t.slower > 0 {
		return 1 / t.slower
	}
	return t.faster
}

// costPlot is the right panel.
func costPlot(costs []cost) (*plot.Plot, error) {
	p := newPlot("Rows the service looks at\nfor each row read")
	p.X.Label.Text = "rows in the table"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	var offset, scan plotter.XYs
	var sizes plot.ConstantTicks
	for _, c := range costs {
		offset = append(offset, plotter.XY{X: float64(c.Rows), Y: c.Offset})
		scan = append(scan, plotter.XY{X: float64(c.Rows), Y: c.Scan})
		sizes = append(sizes, plot.Tick{Value: float64(c.Rows), Label: thousands(float64(c.Rows))})
	}
	p.X.Tick.Marker = sizes
	var steps plot.ConstantTicks
	for at := 1; at <= 1024; at *= 2 {
		steps = append(steps, plot.Tick{Value: float64(at), Label: strconv.Itoa(at)})
	}
	p.Y.Tick.Marker = steps
	p.Add(plotter.NewGrid())
	for _, s := range []struct {
		name   string
		points plotter.XYs
		color  color.Color
	}{{"paging by offset", offset, kindColor(theirs)}, {"Scan", scan, kindColor(ours)}} {
		line, dots, err := plotter.NewLinePoints(s.points)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color, line.Width = s.color, s.color, 2
		dots.Shape = draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(s.name, line, dots)
	}
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, 4
	p.Y.Min, p.Y.Max = 1, 1.5*p.Y.Max
	return p, nil
}
