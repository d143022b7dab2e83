// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is how much of something is wanted: exactly Value, or with AtLeast
// that or more. The amount of an empty field is "at least 0": anything.
type Amount struct {
	Value   float64
	AtLeast bool
}

// Fits reports whether v of the thing satisfies the amount.
func (a Amount) Fits(v float64) bool {
	if a.AtLeast {
		return v >= a.Value
	}
	return v == a.Value
}

// String gives the form users write: "4" or "4+".
func (a Amount) String() string {
	s := strconv.FormatFloat(a.Value, 'f', -1, 64)
	if a.AtLeast {
		s += "+"
	}
	return s
}

// ParseAmount reads "4" as exactly 4 and "4+" as at least 4. An empty string is
// anything.
func ParseAmount(s string) (Amount, error) {
	return parseAmount(s, parsePositive)
}

// ParseMemory reads an amount of memory, "32", "32+", "32GB" or "1TiB+", in
// GiB. The units are powers of 1024 by either spelling, because that is what
// the clouds' machine tables mean: a machine sold with "32 GB" has 32 GiB.
func ParseMemory(s string) (Amount, error) {
	return parseAmount(s, parseGiB)
}

// ParseDiskSize reads the size of a disk in the units of [ParseMemory], in GiB.
// A disk has just the size asked for, so there is no "+". An empty string is 0:
// whatever is usual.
func ParseDiskSize(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	size, err := parseGiB(s)
	if err != nil {
		return 0, fmt.Errorf("%q %w", s, err)
	}
	return size, nil
}

// ParseAccelerators reads "NAME" or "NAME:count"; without a count there is one.
// An empty string is no accelerator: no name and a count of 0.
func ParseAccelerators(s string) (name string, count float64, err error) {
	if s == "" {
		return "", 0, nil
	}
	name, number, counted := strings.Cut(s, ":")
	if name == "" || strings.ContainsAny(name, " \t\n,") {
		return "", 0, fmt.Errorf("%q is not an accelerator: write NAME or NAME:count, as in \"A100:8\"", s)
	}
	if !counted {
		return name, 1, nil
	}
	count, err = parsePositive(number)
	if err != nil {
		return "", 0, fmt.Errorf("the count in %q %w", s, err)
	}
	return name, count, nil
}

func parseAmount(s string, number func(string) (float64, error)) (Amount, error) {
	if s == "" {
		return Amount{AtLeast: true}, nil
	}
	digits, atLeast := strings.CutSuffix(strings.TrimSpace(s), "+")
	v, err := number(digits)
	if err != nil {
		return Amount{}, fmt.Errorf("%q %w; \"4\" is exactly 4 and \"4+\" at least 4", s, err)
	}
	return Amount{Value: v, AtLeast: atLeast}, nil
}

// parseGiB reads a number with an optional unit; a bare number is in GiB.
func parseGiB(s string) (float64, error) {
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, ".0123456789") + 1
	scale, ok := gib(s[end:])
	if !ok {
		return 0, fmt.Errorf("has the unknown unit %q instead of KB, MB, GB, TB or PB", strings.TrimSpace(s[end:]))
	}
	v, err := parsePositive(s[:end])
	if err != nil {
		return 0, err
	}
	return v * scale, nil
}

// gib gives one of a unit in GiB.
func gib(unit string) (scale float64, ok bool) {
	switch strings.ToLower(strings.TrimSpace(unit)) {
	case "k", "kb", "kib":
		return 1.0 / (1 << 20), true
	case "m", "mb", "mib":
		return 1.0 / (1 << 10), true
	case "", "g", "gb", "gib":
		return 1, true
	case "t", "tb", "tib":
		return 1 << 10, true
	case "p", "pb", "pib":
		return 1 << 20, true
	default:
		return 0, false
	}
}

// parsePositive reads a plain decimal number above 0. The errors lack their
// subject, which the callers know.
func parsePositive(s string) (float64, error) {
	// ParseFloat alone would take "inf", "0x10" and "1e9" as well.
	plain := strings.Trim(s, ".0123456789") == ""
	v, err := strconv.ParseFloat(s, 64)
	if !plain || err != nil || v <= 0 || math.IsInf(v, 0) {
		return 0, errors.New("is not a number above 0")
	}
	return v, nil
}
