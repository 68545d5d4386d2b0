// App-to-mysql copies every table of an application into a database of MySQL,
// MariaDB or MatrixOne, and makes the tables there if they are missing.
//
//	go run -C migrate/sqldb ./examples/app-to-mysql -dry-run   # sizes, requests, minutes
//	go run -C migrate/sqldb ./examples/app-to-mysql -state ~/copy -plan 5000 -share 0.5
//
// All tables share one client, and so one pace. A table that fails does not stop
// the others. Killed and started again with the same -state it goes on where it
// stood, and leaves out the tables that are finished. It exits with 1 if a table
// failed or a row was rejected: the reasons are in the folder of the state. Mend
// such rows in minapp, remove the table's two files there, and start it again:
// rows that are in the database already are no second ones.
//
// The application is that of MINAPP_TOKEN, with MINAPP_BASE_URL for a proxy or
// an emulator that runs elsewhere; the database that of MYSQL_DSN, such as
// user:password@tcp(host:3306)/database. Without the one it takes an emulator
// with a small shop, without the other go-mysql-server, inside this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	state    string
	plan     int
	share    float64
	location *time.Location
	dryRun   bool
	verify   bool
}

func main() {
	var o options
	flag.StringVar(&o.state, "state", "app-to-mysql-state", "folder of the checkpoints and the rejected rows")
	flag.IntVar(&o.plan, "plan", 0, "requests a minute of the application's plan, such as 5000; 0 is no pace")
	flag.Float64Var(&o.share, "share", 0.5, "share of the plan that the copy may take: users draw on the same")
	zone := flag.String("zone", "UTC", "time zone whose clocks the DATETIME columns show, such as Asia/Shanghai")
	flag.BoolVar(&o.dryRun, "dry-run", false, "only say how much there is to copy")
	flag.BoolVar(&o.verify, "verify", false, "compare the counts of each table that is finished")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.location, err = time.LoadLocation(*zone); err == nil {
		err = run(ctx, o, log.New(os.Stdout, "", 0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "app-to-mysql:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out *log.Logger) error {
	client, emulated, err := openApp(o, out)
	if err != nil {
		return err
	}
	db, name, inProcess, err := openDatabase(ctx, out)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // everything is written
	if emulated || inProcess {        // the next process knows nothing of them
		if o.state, err = os.MkdirTemp("", "app-to-mysql-"); err != nil {
			return err
		}
	}
	c := &copier{client: client, db: db, database: name, options: o, out: out}
	err = c.run(ctx)
	if emulated && errors.Is(err, errRejected) {
		out.Println(err)
		if err := mend(ctx, c); err != nil {
			return err
		}
		err = c.run(ctx)
	}
	return err
}
