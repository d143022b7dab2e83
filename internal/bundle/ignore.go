// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// ignore decides what a bundle leaves out. The zero ignore knows no rule yet;
// it learns them while the tree is walked from the top.
//
// It is written here because the well-kept library for it, go-git's, disagrees
// with git on such patterns as "logs/**" with "!logs/.keep", "a/**/b/c" and
// "[!a]", and a file left out by mistake is a service that does not start.
// TestGitAgrees holds it to git itself.
type ignore struct {
	rules []rule
	// byHand is set when a .skyignore file has taken the place of all .gitignore files.
	byHand bool
}

// enter reads the ignore file of a directory the walk has come to. Rules that
// were found deeper come later, and the last rule that matches decides.
func (g *ignore) enter(root *os.Root, dir string) error {
	if g.byHand {
		return nil
	}
	if dir == "." {
		text, err := root.ReadFile(".skyignore")
		if err == nil {
			g.byHand, g.rules = true, parseRules(dir, string(text))
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	text, err := root.ReadFile(path.Join(dir, ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	g.rules = append(g.rules, parseRules(dir, string(text))...)
	return err
}

// matches reports whether the entry is left out. Nothing below a directory that
// is left out may be asked about: it cannot be brought back.
func (g *ignore) matches(name string, isDir bool) bool {
	if path.Base(name) == ".git" {
		return true
	}
	for _, r := range slices.Backward(g.rules) {
		if r.matches(name, isDir) {
			return !r.negated
		}
	}
	return false
}

// rule is one line of an ignore file.
type rule struct {
	dir     string // the directory of the ignore file
	negated bool   // "!": what matches is not left out after all
	dirOnly bool   // "/" at the end: matches directories only
	pattern []string
}

func parseRules(dir, text string) []rule {
	var rules []rule
	for line := range strings.Lines(text) {
		if r, ok := parseRule(dir, strings.TrimRight(line, "\r\n")); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

func parseRule(dir, line string) (rule, bool) {
	if strings.HasPrefix(line, "#") {
		return rule{}, false
	}
	// Blanks at the end do not count unless a backslash stands before them.
	text := strings.TrimRight(line, " ")
	if strings.HasSuffix(text, `\`) && len(text) < len(line) {
		text += " "
	}
	r := rule{dir: dir}
	text, r.negated = strings.CutPrefix(text, "!")
	text, r.dirOnly = strings.CutSuffix(text, "/")
	if text == "" {
		return rule{}, false
	}
	// What path.Match writes as [^a], ignore files may also write as [!a].
	text = strings.ReplaceAll(text, "[!", "[^")
	// A pattern without a slash within holds at any depth, one with a slash only
	// from the directory of its file.
	if !strings.Contains(text, "/") {
		text = "**/" + text
	}
	r.pattern = strings.Split(strings.TrimPrefix(text, "/"), "/")
	return r, true
}

func (r rule) matches(name string, isDir bool) bool {
	if r.dirOnly && !isDir {
		return false
	}
	if r.dir != "." {
		below, ok := strings.CutPrefix(name, r.dir+"/")
		if !ok {
			return false
		}
		name = below
	}
	return matchParts(r.pattern, strings.Split(name, "/"))
}

// matchParts matches a path part by part. "**" stands for any number of parts,
// but at the end of a pattern for at least one: "logs/**" is all that logs
// holds and not logs itself.
func matchParts(pattern, parts []string) bool {
	switch {
	case len(pattern) == 0:
		return len(parts) == 0
	case pattern[0] == "**" && len(pattern) == 1:
		return len(parts) > 0
	case pattern[0] == "**":
		return matchParts(pattern[1:], parts) || len(parts) > 0 && matchParts(pattern, parts[1:])
	case len(parts) == 0:
		return false
	}
	// A malformed pattern matches nothing, as in git.
	ok, err := path.Match(pattern[0], parts[0])
	return err == nil && ok && matchParts(pattern[1:], parts[1:])
}
