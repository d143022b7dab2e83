// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "strings"

// consistsOf reports whether every character of s is allowed.
func consistsOf(s string, allowed func(rune) bool) bool {
	return strings.IndexFunc(s, func(c rune) bool { return !allowed(c) }) < 0
}

func isLetter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c rune) bool { return '0' <= c && c <= '9' }

func isAlphanumeric(c rune) bool { return isLetter(c) || isDigit(c) }

func isNameRune(c rune) bool { return isAlphanumeric(c) || strings.ContainsRune("-_.", c) }

func isPrintable(c rune) bool { return c >= ' ' && c != 0x7f }

// isTokenRune accepts what the name of an HTTP header is made of (RFC 9110,
// section 5.6.2).
func isTokenRune(c rune) bool {
	return isAlphanumeric(c) || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// isIdentifier reports whether a shell can have a variable of that name.
func isIdentifier(s string) bool {
	return s != "" && !isDigit(rune(s[0])) &&
		consistsOf(s, func(c rune) bool { return isAlphanumeric(c) || c == '_' })
}
