// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestTheLastBytesOfALog(t *testing.T) {
	t.Parallel()
	const limit = 100
	line := strings.Repeat("x", 19) + "\n"
	for name, c := range map[string]struct{ log, want string }{
		"nothing":                    {"", ""},
		"all of a short one":         {line + line, line + line},
		"all that just fits":         {strings.Repeat(line, 5), strings.Repeat(line, 5)},
		"whole lines of a long one":  {strings.Repeat(line, 33) + "the end", line + line + line + line + "the end"},
		"a part of an endless line":  {strings.Repeat("y", 777), strings.Repeat("y", limit)},
		"a part of the only line":    {"a\n" + strings.Repeat("z", 200) + "\n", strings.Repeat("z", limit-1) + "\n"},
		"the same at a round number": {strings.Repeat(line, 10), strings.Repeat(line, 4)},
	} {
		got, err := serve.LastBytes(iotest.HalfReader(strings.NewReader(c.log)), limit)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: LastBytes = %q, %v; want %q", name, got, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := serve.LastBytes(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), limit); !errors.Is(err, broken) {
		t.Errorf("of a log that breaks off LastBytes gives %v", err)
	}
}
