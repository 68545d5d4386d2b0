package minapptest

import (
	"fmt"
	"io"
	"log/slog"
)

// Format keeps the credentials of the server out of every verb of package fmt.
func (s *Server) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "minapptest.Server("+s.URL()+")")
}

// Format keeps the key out of every verb of package fmt.
func (m *MOI) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "minapptest.MOI("+m.server.URL()+")")
}

func (o OAuth) redacted() string { return fmt.Sprintf("minapptest.OAuth(%s, [redacted])", o.ClientID) }

// Format keeps the secrets out of every verb of package fmt; JSON, the form of
// a data file, has them.
func (o OAuth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.redacted()) }

// LogValue keeps the secrets out of logs.
func (o OAuth) LogValue() slog.Value { return slog.StringValue(o.redacted()) }

func (x MOIConnector) redacted() string {
	return fmt.Sprintf("minapptest.MOIConnector(%d, %q, [settings])", x.ID, x.Name)
}

// Format keeps the settings, which hold credentials of targets, out of every
// verb of package fmt; JSON, the form of a data file, has them.
func (x MOIConnector) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, x.redacted()) }

// LogValue keeps the settings out of logs.
func (x MOIConnector) LogValue() slog.Value { return slog.StringValue(x.redacted()) }

// Format keeps the settings of connectors out of every verb of package fmt.
func (d MOIData) Format(f fmt.State, verb rune) {
	type plain MOIData
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), plain(d))
}

// LogValue keeps the settings of connectors out of logs.
func (d MOIData) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", d)) }

// Format keeps the secrets of a data file out of every verb of package fmt.
func (d Data) Format(f fmt.State, verb rune) {
	type plain Data
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), plain(d))
}

// LogValue keeps the secrets of a data file out of logs.
func (d Data) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", d)) }
