// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Watch calls tell with the state of the machine as it is now and then after
// every change, until tell returns false or ctx ends. A machine that says nothing
// for a few seconds, not even that it is there, is serve.ErrUnreachable; so is one
// that ends the watch.
func (c *Client) Watch(ctx context.Context, tell func(State) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patient := time.AfterFunc(silence, func() {
		cancel(fmt.Errorf("%w: it was silent for %v", serve.ErrUnreachable, silence))
	})
	defer patient.Stop()
	res, err := c.do(ctx, http.MethodGet, pathWatch, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadBytes('\n')
		// The wait for the machine is all that its patience is for: however long
		// the caller takes does not count.
		patient.Stop()
		if errors.Is(err, io.EOF) {
			err = errors.New("the answer broke off")
		}
		if err != nil {
			return c.explain(ctx, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var s State
			if err := json.Unmarshal(line, &s); err != nil {
				return fmt.Errorf("reading what the machine at %s says: %w", c.address, err)
			}
			if !tell(s) {
				return nil
			}
		}
		patient.Reset(silence)
	}
}
