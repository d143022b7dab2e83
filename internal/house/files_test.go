// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package house_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

const header = `// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

`

// The longest a file may be, in lines.
const (
	longest     = 500
	longestTest = 700
)

func TestEveryFileIsLicensedAndShort(t *testing.T) {
	t.Parallel()
	files := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		files++
		content, err := fs.ReadFile(os.DirFS(root), name)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(content), header) {
			t.Errorf("%s does not begin with the licence header", name)
		}
		limit := longest
		if strings.HasSuffix(name, "_test.go") {
			limit = longestTest
		}
		if lines := strings.Count(string(content), "\n"); lines > limit {
			t.Errorf("%s has %d lines, more than %d", name, lines, limit)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the source: %v", err)
	}
	if files == 0 {
		t.Fatal("found no Go file: is the path to the root right?")
	}
}
