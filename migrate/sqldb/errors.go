package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// verdict says what an error of the server or the connection means for a
// statement. Statements are transactions of their own: one that the server
// refused has written nothing.
type verdict int

const (
	fine      verdict = iota
	badData           // refused for what a row holds
	suspect           // refused, maybe for what a row holds
	conflict          // refused for what others were doing: it may be repeated
	unsent            // never arrived: it may be repeated
	uncertain         // nobody knows
	hopeless          // refused for reasons that hold for every row
)

// Numbers of errors. Source: dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html;
// 4025 and 1020: mariadb.com/kb/en/mariadb-error-code-reference. MatrixOne
// answers with those of MySQL, and with 1105 where it has none (inferred from
// pkg/common/moerr/error.go of matrixorigin/matrixone); numbers from 20000 on
// are its own.
var (
	dataErrors = []uint16{
		1048, 1062, 1138, 1264, 1265, 1292, 1364, 1366, 1406, 1452, 1526, 1690,
		3140, 3819, 4025,
		20201, 20202, 20204, 20208, 20304, 20307, 20907,
		1153, // the row is larger than max_allowed_packet
	}
	suspectErrors  = []uint16{1105, 20203, 20301}
	conflictErrors = []uint16{
		1020, 1040, 1053, 1205, 1213, 1927,
		20601, 20618, 20619, 20628, 20629, 20631, 20701, 20702, 20706, 20710, 20634, 20635,
	}
)

// judge says what an error means for a statement.
func judge(err error) verdict {
	if err == nil {
		return fine
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		class := string(e.SQLState[:2])
		switch {
		case slices.Contains(conflictErrors, e.Number):
			return conflict
		case slices.Contains(dataErrors, e.Number), class == "22", class == "23":
			return badData
		case slices.Contains(suspectErrors, e.Number):
			return suspect
		}
		return hopeless
	}
	switch {
	case errors.Is(err, mysql.ErrPktTooLarge): // of the driver, before it sends
		return badData
	case errors.Is(err, driver.ErrBadConn): // by its contract, and go-sql-driver keeps to it
		return unsent
	}
	return uncertain
}

// attempts is how often a statement is sent until the run gives up; the waits
// between them add up to about 3 seconds, of which a random part is waited.
const attempts = 6

// pause waits before the next attempt, and reports whether there shall be one.
func pause(ctx context.Context, attempt int) bool {
	if attempt+1 >= attempts {
		return false
	}
	timer := time.NewTimer(rand.N(100 * time.Millisecond << attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// advise adds what can be done about an error.
func advise(err error) error {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return err
	}
	switch {
	case e.Number == 3948 || e.Number == 1148 || e.Number == 4166 || strings.Contains(e.Message, "local_infile"):
		return errors.Join(err, errors.New("LOAD DATA LOCAL needs local_infile=1 on the server; without ToOptions.Load it is not needed"))
	case e.Number == 1146:
		return errors.Join(err, errors.New("Mapping.CreateTable makes the table"))
	}
	return err
}
