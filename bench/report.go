package main

import (
	"os"

	"moip/bench/report"
)

// What is measured is kept in a file, and told in a document.
const (
	results  = "bench/results.jsonl"
	document = "doc/performance.md"
)

// tell prints what a file has and, if it is the one that is kept, writes the document.
func tell(file string) error {
	if err := report.Print(os.Stdout, file); err != nil {
		return err
	}
	if file != results {
		return nil
	}
	return report.Write(file, document)
}
