// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// What EC2 says of the machine's end is known to whoever watches about a second
// later, and the program finds it in its notice file, even though the token that
// the agent had is good no longer.
func TestWhatEC2SaysIsTold(t *testing.T) {
	tests := map[string]struct {
		path, text string
		want       Warning
	}{
		"a recommendation to rebalance": {
			"events/recommendations/rebalance", `{"noticeTime": "2030-01-02T03:04:05Z"}`,
			Warning{Kind: WarningRebalance, Detail: "EC2 recommends to rebalance"},
		},
		"a spot machine that is to be ended": {
			"spot/instance-action", `{"action": "terminate", "time": "2030-01-02T03:04:05Z"}`,
			Warning{
				Kind: WarningInterruption, Deadline: time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC),
				Detail: "EC2 will terminate the machine",
			},
		},
		"a group that ends the machine": {
			"autoscaling/target-lifecycle-state", "Terminated",
			Warning{Kind: WarningScaling, Detail: "its Auto Scaling group ends the machine"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, time.Hour)
			r.cloud.say("autoscaling/target-lifecycle-state", "InService")
			r.agent()
			c := r.client()
			r.furnish(c, r.supplies("sleep 60"))
			r.cloud.forget()
			began := time.Now()
			r.cloud.say(tt.path, tt.text)
			s := r.await(c, "the warning", func(s State) bool { return len(s.Warnings) > 0 })
			if took := time.Since(began); took > ec2Pause+time.Second {
				t.Errorf("it took %v", took)
			}
			got := s.Warnings[0]
			if got.At.Before(began) {
				t.Errorf("it was heard of at %v, before it was said at %v", got.At, began)
			}
			got.At = time.Time{}
			if len(s.Warnings) != 1 || got != tt.want {
				t.Errorf("the warnings are %+v, want %+v", s.Warnings, tt.want)
			}
			r.noticed(tt.want)
		})
	}
}

// noticed checks that the program is told of what interrupts it, and of nothing else.
func (r *rig) noticed(w Warning) {
	r.Helper()
	path := r.dir + "/notice/notice.json"
	if w.Kind != WarningInterruption {
		if text, err := os.ReadFile(path); !os.IsNotExist(err) {
			r.Errorf("the program was told %s: %v", text, err)
		}
		return
	}
	r.eventually("the program is told", func() bool {
		text, err := os.ReadFile(path)
		var n notice
		return err == nil && json.Unmarshal(text, &n) == nil && n.Deadline.Equal(w.Deadline) && n.Reason == w.Detail
	})
}
