// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestFiguresInWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		money(0): "$0.00", money(0.000123): "$0.000123", money(0.0312): "$0.0312", money(12.345): "$12.35", money(-0.5): "−$0.5000",
		percent(7, 3): "70%", percent(0, 0): "0%", percent(-1, 2): "-100%",
		seconds(0): "0 s", seconds(0.44): "0.4 s", seconds(59): "59 s", seconds(61): "1 m 01 s", seconds(7380): "2 h 03 m", seconds(90000): "1 d 01 h",
		ago(time.Unix(0, 0), time.Unix(5, 9e8)): "5.0 s ago", ago(time.Unix(9, 0), time.Unix(5, 0)): "0 s ago",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestALongTimelineShowsItsLastHourToo(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	line := []serve.Span{{At: at, Spot: 2, Ready: 1, Target: 2, BelowSeconds: 36000}}
	if charts(nil, at) != nil || charts(line, at) != nil {
		t.Error("a timeline without length is drawn")
	}
	if got := charts(line, at.Add(time.Hour)); len(got) != 1 || got[0].Most != 2 {
		t.Errorf("an hour is drawn as %+v", got)
	}
	got := charts(line, at.Add(10*time.Hour))
	if len(got) != 2 || !got[0].From.Equal(at.Add(9*time.Hour)) || !strings.Contains(got[0].Summary, "too few for 1 h 00 m in all") {
		t.Errorf("ten hours are drawn as %+v", got)
	}
	// A wide band of two spot machines, half as high in replicas that serve.
	if got[1].Spot != "M0.00 4.0H1000.00V160.0H0.00z" || got[1].Ready != "M0.00 82.0H1000.00" || got[1].Below == "" {
		t.Errorf("it is drawn as %+v", got[1])
	}
}
