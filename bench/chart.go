package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
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
	}
	return color.RGBA{R: 0x8c, G: 0x8c, B: 0x8c, A: 0xff}
}

func targetColor() color.Color { return color.RGBA{R: 0xd6, G: 0x2f, B: 0x2f, A: 0xff} }

// drawChart writes an SVG of two panels: how much faster each job is, and what
// reading costs the service.
func drawChart(file string, groups []groupSummary, costs []cost) error {
	b := newBars(groups)
	speed := b.plot()
	reading, err := costPlot(costs)
	if err != nil {
		return err
	}
	height := lineHeight*vg.Length(len(b.lines)) + 1.2*vg.Inch
	svg := vgsvg.New(chartWidth, height)
	canvas := draw.New(svg)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	canvas = draw.Crop(canvas, margin, -margin, margin, -margin)
	speed.Draw(draw.Crop(canvas, 0, -costsWidth-2*margin, 0, 0))
	square := max(0, height-costsWidth-2*margin)
	reading.Draw(draw.Crop(canvas, chartWidth-costsWidth-2*margin, 0, square, 0))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = svg.WriteTo(f)
	return errors.Join(err, f.Close())
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
	p := plot.New()
	p.Title.Text = "Times as fast as a loop written by hand with net/http and encoding/json"
	p.Title.TextStyle.Font.Size = 15
	p.Title.Padding = 10
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, leastRatio, b.most*1.8
	var ticks plot.ConstantTicks
	for _, at := range []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64} {
		ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprintf("%g×", at)})
	}
	p.X.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = -0.7, float64(len(b.lines))-0.3
	names := plot.ConstantTicks{}
	for i, l := range b.lines {
		names = append(names, plot.Tick{Value: b.y(i), Label: l.name})
	}
	p.Y.Tick.Marker, p.Y.Tick.Length, p.Y.LineStyle.Width = names, 0, 0
	p.Y.Tick.Label.Font.Size, p.X.Tick.Label.Font.Size = 11, 11
	b.style = p.Y.Tick.Label
	b.style.XAlign = draw.XLeft
	p.Add(b)
	return p
}

func (b *bars) y(i int) float64 { return float64(len(b.lines) - 1 - i) }

// Plot draws the bars from 1 to the ratio, to the right what is faster, and a
// mark where a job has to reach.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	grid := draw.LineStyle{Color: color.Gray{Y: 0xe4}, Width: 0.6}
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if tick.Value <= p.X.Max {
			c.StrokeLine2(grid, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
		}
	}
	bold := b.style
	bold.Font.Weight = 3 // x/image/font: bold
	bold.Font.Size = 12
	half := lineHeight * 0.33
	for i, l := range b.lines {
		at := y(b.y(i))
		if l.heading != "" {
			c.FillText(bold, vg.Point{X: c.Min.X, Y: at - 1}, l.heading)
			continue
		}
		from, to := x(1), x(max(leastRatio, l.Ratio))
		c.FillPolygon(kindColor(l.kind), []vg.Point{{X: from, Y: at - half}, {X: to, Y: at - half}, {X: to, Y: at + half}, {X: from, Y: at + half}})
		label := max(from, to)
		if goal := l.target.goal(); goal > 0 {
			c.StrokeLine2(draw.LineStyle{Color: targetColor(), Width: 2}, x(goal), at-half-1.5, x(goal), at+half+1.5)
			label = max(label, x(goal))
		}
		c.FillText(b.style, vg.Point{X: label + 5, Y: at}, fmt.Sprintf("%.3g×", l.Ratio))
	}
	c.StrokeLine2(draw.LineStyle{Color: color.Gray{Y: 0x40}, Width: 1}, x(1), c.Min.Y, x(1), c.Max.Y)
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
	p := plot.New()
	p.Title.Text = "Rows the service looks at\nfor each row read"
	p.Title.TextStyle.Font.Size = 15
	p.Title.Padding = 10
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
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 1, Label: "1"}, {Value: 2, Label: "2"}, {Value: 5, Label: "5"}, {Value: 10, Label: "10"}, {Value: 20, Label: "20"}, {Value: 50, Label: "50"}, {Value: 100, Label: "100"}, {Value: 200, Label: "200"}}
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
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size, p.Legend.TextStyle.Font.Size = font.Length(11), font.Length(11), font.Length(12)
	p.Y.Min = 1
	p.Y.Max = math.Max(p.Y.Max, 10) * 1.3
	return p, nil
}
