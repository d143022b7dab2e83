// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// lateCloud has one machine, and lists it for a while after its end.
type lateCloud struct {
	Cloud
	ended time.Time
	asked int
}

func (c *lateCloud) List(context.Context, string) ([]Instance, error) {
	c.asked++
	if !c.ended.IsZero() && time.Since(c.ended) > 10*time.Second {
		return nil, nil
	}
	return []Instance{{Ref: Ref{Service: "web", Replica: 1}}}, nil
}

func (c *lateCloud) Terminate(context.Context, Ref) error {
	if c.ended.IsZero() {
		c.ended = time.Now()
	}
	return nil
}

func TestACloudThatIsLateIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := new(lateCloud)
		swept, err := Sweep(t.Context(), c, "web")
		if err != nil || len(swept) != 1 || c.asked > 13 {
			t.Errorf("swept is %+v, %v, and the cloud was asked %d times", swept, err, c.asked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if swept, err := Sweep(ctx, new(lateCloud), "web"); err == nil || len(swept) != 1 {
			t.Errorf("cut short, swept is %+v, %v", swept, err)
		}
	})
}
