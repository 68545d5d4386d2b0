package sqldb

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// tableName is a table with its database.
type tableName struct{ database, name string }

func parseTable(text string) (tableName, error) {
	database, name, ok := strings.Cut(text, ".")
	if !ok {
		return tableName{}, fmt.Errorf("table %q: name it database.table", text)
	}
	for _, part := range []string{database, name} {
		if err := checkName(part); err != nil {
			return tableName{}, fmt.Errorf("table %q: %w", text, err)
		}
	}
	return tableName{database, name}, nil
}

func (t tableName) String() string { return t.database + "." + t.name }

// quoted is the name as SQL has it.
func (t tableName) quoted() string { return quote(t.database) + "." + quote(t.name) }

// maxName is how many characters a name may have. Source:
// dev.mysql.com/doc/refman/8.0/en/identifier-length.html.
const maxName = 64

// checkName refuses what cannot be a name, or could end a quoted one.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %q is no UTF-8", name)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the name %q has more than %d characters", name, maxName)
	case strings.HasSuffix(name, " "):
		return fmt.Errorf("the name %q ends in a space", name)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r > 0xffff || strings.ContainsRune("`./\\", r) {
			return fmt.Errorf("the name %q has the character %q", name, r)
		}
	}
	return nil
}

// quote makes a checked name safe to stand in a statement, whatever word of SQL
// it is.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}

// literal is a text as SQL has it, where no placeholder can stand. The text
// has no backslash: its meaning depends on the session.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
