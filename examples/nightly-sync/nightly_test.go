package main

import "testing"

// Three nights end in step, which play itself compares.
func TestThreeNights(t *testing.T) {
	if err := play(t.Context()); err != nil {
		t.Fatal(err)
	}
}
