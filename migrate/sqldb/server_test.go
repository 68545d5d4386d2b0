package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gms "github.com/dolthub/go-mysql-server/sql"
	"github.com/go-sql-driver/mysql"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// dsnVariable names a server for the tests instead of the one in the process;
// .ci/mariadb sets it. The tests make databases of their own there.
const dsnVariable = "MINAPP_SQLDB_DSN"

var (
	serverConfig *mysql.Config
	databases    atomic.Int64
)

// inProcess reports that the server is go-mysql-server, which has its limits.
func inProcess() bool { return os.Getenv(dsnVariable) == "" }

// TestMain runs the tests against a server on TCP, and lets no goroutine behind.
func TestMain(m *testing.M) {
	stop := func() error { return nil }
	var err error
	if dsn := os.Getenv(dsnVariable); dsn != "" {
		serverConfig, err = mysql.ParseDSN(dsn)
	} else {
		serverConfig, stop, err = serve()
	}
	code := 1
	if err == nil {
		code = m.Run()
		err = stop()
	}
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// serve starts go-mysql-server.
func serve() (*mysql.Config, func() error, error) {
	logrus.SetLevel(logrus.FatalLevel)
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	provider := memory.NewDBProvider()
	provider.WithOption(memory.NativeIndexProvider(true)) // tables show their primary keys
	engine := sqle.NewDefault(provider)
	config := server.Config{Protocol: "tcp", Address: listener.Addr().String(), Listener: listener}
	s, err := server.NewServer(config, engine, gms.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return nil, nil, err
	}
	if err := gms.SystemVariables.SetGlobal(gms.NewEmptyContext(), "local_infile", true); err != nil {
		return nil, nil, err
	}
	var wait sync.WaitGroup
	wait.Go(func() { _ = s.Start() }) // ends with Close
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "tcp", listener.Addr().String()
	return c, func() error {
		defer wait.Wait()
		if err := s.Close(); err != nil {
			return err
		}
		if err := engine.Close(); !errors.Is(err, context.Canceled) { // how its own threads end
			return err
		}
		return nil
	}, nil
}

// world is a database of its own, and what happens to its connections.
type world struct {
	*sql.DB
	name   string
	config *mysql.Config

	mu     sync.Mutex
	inject func(statement string) (before, after error) // of an execution
	sent   []string                                     // statements executed
	conns  []net.Conn
}

func newWorld(t *testing.T, change ...func(*mysql.Config)) *world {
	t.Helper()
	w := &world{name: fmt.Sprintf("sqldb_%d_%d", os.Getpid(), databases.Add(1))}
	admin := open(t, serverConfig, nil)
	_, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+w.name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP DATABASE "+w.name)
		require.NoError(t, err)
	})
	w.config = serverConfig.Clone()
	w.config.DBName = w.name
	for _, f := range change {
		f(w.config)
	}
	w.config.DialFunc = w.dial
	w.DB = open(t, w.config, w)
	return w
}

func open(t *testing.T, c *mysql.Config, w *world) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(c)
	require.NoError(t, err)
	if w != nil {
		connector = faulty{connector, w}
	}
	db := sql.OpenDB(connector)
	if inProcess() {
		db.SetMaxOpenConns(1) // of go-mysql-server: sessions at the same time race, and lose rows of each other
	}
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.conns = append(w.conns, conn)
	}
	return conn, err
}

// cut closes all connections that were made, as a network does.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
}

// table is the full name of a table.
func (w *world) table(name string) string { return w.name + "." + name }

func (w *world) must(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := w.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// lines are the rows of a query, as text.
func (w *world) lines(t *testing.T, query string) []string {
	t.Helper()
	rows, err := w.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	list := []string{}
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		require.NoError(t, rows.Scan(targets...))
		texts := make([]string, len(columns))
		for i, v := range values {
			texts[i] = "NULL"
			if v.Valid {
				texts[i] = v.String
			}
		}
		list = append(list, strings.Join(texts, "|"))
	}
	require.NoError(t, rows.Err())
	return list
}

// inserts are the statements that wrote rows since the last call.
func (w *world) inserts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, s := range w.sent {
		if strings.HasPrefix(s, "INSERT") {
			list = append(list, s)
		}
	}
	w.sent = nil
	return list
}

// fail injects an error into the first n executions of INSERT or LOAD, before
// or after they are carried out.
func (w *world) fail(n int, before, after error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inject = func(statement string) (error, error) {
		if n == 0 || !strings.HasPrefix(statement, "INSERT") && !strings.HasPrefix(statement, "LOAD") {
			return nil, nil
		}
		n--
		return before, after
	}
}

func (w *world) executing(statement string) (before, after error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, statement)
	if w.inject == nil {
		return nil, nil
	}
	return w.inject(statement)
}

// errPretend, injected before a statement, leaves it out and says that it was
// carried out.
var errPretend = errors.New("pretend")

// faulty makes connections that fail when they are told to.
type faulty struct {
	driver.Connector
	world *world
}

func (f faulty) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(mysqlConn), f.world}, nil
}

// mysqlConn is what a connection of the driver can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type faultyConn struct {
	mysqlConn
	world *world
}

func (c *faultyConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	before, after := c.world.executing(statement)
	if errors.Is(before, errPretend) {
		return driver.RowsAffected(0), nil
	}
	if before != nil {
		return nil, before
	}
	result, err := c.mysqlConn.ExecContext(ctx, statement, args)
	if err == driver.ErrSkip { //nolint:errorlint // the driver's own word for "prepare it"
		result, err = c.prepared(ctx, statement, args)
	}
	if err == nil && after != nil {
		return nil, after
	}
	return result, err
}

func (c *faultyConn) prepared(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	prepared, err := c.PrepareContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	result, err := prepared.(driver.StmtExecContext).ExecContext(ctx, args)
	_ = prepared.Close() // what the execution said counts
	return result, err
}
