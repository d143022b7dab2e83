// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package logfile keeps what a program prints in files that do not grow for ever,
// and reads them again.
//
// A log is a file that is renamed when it is full and begun anew; the last few of
// those renamed are kept. A reader takes them for one: it finds the last lines
// across the files, follows what is added, and goes on with the next file when
// the one it is in was renamed.
package logfile

import (
	"io"

	"gopkg.in/natefinch/lumberjack.v2"
)

// How much of a log is kept: the file being written and those before it.
const (
	// Megabytes is how large a file may become.
	Megabytes = 10
	// Backups is how many full ones are kept.
	Backups = 3
)

// Writer writes a log. It may be written to by several at a time.
type Writer struct{ file *lumberjack.Logger }

var _ io.WriteCloser = (*Writer)(nil)

// Create gives a writer to the log at path, whose file, and the directory of it,
// are made when there is something to write. A log that is there is continued.
func Create(path string) *Writer {
	return &Writer{&lumberjack.Logger{Filename: path, MaxSize: Megabytes, MaxBackups: Backups}}
}

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) { return w.file.Write(p) }

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
