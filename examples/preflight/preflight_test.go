package main

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/minapptest"
)

// inspected runs everything against an emulator that the test has prepared.
func inspected(t *testing.T, emulator *minapptest.Server) map[string]finding {
	t.Helper()
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	table, err := tableToLookAt(t.Context(), &service.Service{Client: client, Emulated: true})
	if err != nil {
		t.Fatal(err)
	}
	emulator.ResetLog()
	traffic := &readOnly{next: emulator.Client().Transport}
	looker, err := client.With(minapp.WithHTTPClient(&http.Client{Transport: traffic}), minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	r := &report{client: looker, traffic: traffic, pages: 1}
	if err := r.inspect(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	for _, request := range emulator.Requests() {
		if request.Method != http.MethodGet {
			t.Errorf("%s %s is not a read", request.Method, request.Path)
		}
	}
	var page bytes.Buffer
	r.print(&page)
	if n := strings.Count(page.String(), "\n"); n > 45 {
		t.Errorf("%d lines are more than a page", n)
	}
	findings := map[string]finding{}
	for _, f := range r.findings {
		if !strings.Contains(page.String(), f.question) {
			t.Errorf("%q is not on the page", f.question)
		}
		findings[f.question] = f
	}
	return findings
}

func TestTheEmulatorPasses(t *testing.T) {
	for question, f := range inspected(t, minapptest.NewServer(t, minapptest.WithToken("t"))) {
		switch question {
		case "operator $within", "operator $center", "operator $nearsphere", "operator $intersects",
			"export jobs can be read", "answers are compressed":
			continue // the emulator may or may not
		}
		if f.verdict != yes && f.verdict != "" {
			t.Errorf("%s: %s %s", question, f.verdict, f.detail)
		}
	}
}

// A service that ignores what it does not know, refuses it, or cannot be asked
// is told apart.
func TestOtherServices(t *testing.T) {
	everything := `{"meta":{"total_count":1500,"limit":1,"next":"/x","offset":0,"previous":null},"objects":[]}`
	for name, tt := range map[string]struct {
		fault   minapptest.Fault
		verdict string
		says    string
	}{
		"ignores": {minapptest.Fault{Status: 200, Body: everything}, no, "ignored"},
		"refuses": {minapptest.Fault{Status: 400, Body: `{"error_msg":"unknown operator"}`}, no, "400 unknown operator"},
		"is down": {minapptest.Fault{Status: 503}, unclear, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			emulator := minapptest.NewServer(t)
			tt.fault.Operation, tt.fault.Times = "records.count", -1
			tt.fault.Skip = 1 // the number of rows
			emulator.Fault(tt.fault)
			f := inspected(t, emulator)["operator $regex"]
			if f.verdict != tt.verdict || !strings.Contains(f.detail, tt.says) {
				t.Errorf("$regex: %s %s", f.verdict, f.detail)
			}
		})
	}
}

func TestAnythingButAReadIsStopped(t *testing.T) {
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(append(emulator.Options(), minapp.WithHTTPClient(&http.Client{Transport: &readOnly{next: emulator.Client().Transport}}))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Records.Delete(t.Context(), 1, "a"); !errors.Is(err, errWrite) {
		t.Errorf("got %v", err)
	}
	if n := emulator.Count(""); n != 0 {
		t.Errorf("%d requests went out", n)
	}
}
