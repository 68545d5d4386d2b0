package sqldb

import (
	"strconv"
	"strings"
)

// decimal is a number as it is written: digits × 10^exp, without zeros at
// either end. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// parseDecimal reads a number of JSON.
func parseDecimal(text string) (decimal, bool) {
	var d decimal
	rest, negative := strings.CutPrefix(text, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(rest), "e")
	if exponent != "" {
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return decimal{}, false
		}
		d.exp = int(n)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return decimal{}, false
	}
	d.exp -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	d.exp += len(digits) - len(trimmed)
	d.digits = strings.TrimLeft(trimmed, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	d.negative = negative
	return d, true
}

// fits reports whether DECIMAL(precision, scale) holds the number as it is.
func (d decimal) fits(precision, scale int) bool {
	return d.digits == "" || -d.exp <= scale && len(d.digits)+d.exp <= precision-scale
}

// String writes the number without an exponent. Only numbers that fit into a
// column are short.
func (d decimal) String() string {
	text := d.digits + strings.Repeat("0", max(0, d.exp))
	if d.exp < 0 {
		text = strings.Repeat("0", max(0, 1-d.exp-len(text))) + text
		text = text[:len(text)+d.exp] + "." + text[len(text)+d.exp:]
	}
	switch {
	case text == "":
		return "0"
	case d.negative:
		return "-" + text
	}
	return text
}

// double is the number as a float64; false if that is another number.
func double(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, false
	}
	want, ok := parseDecimal(text)
	got, same := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
	return f, ok && same && want == got
}
