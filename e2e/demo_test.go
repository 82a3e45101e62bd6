//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDemo uses the page of "wstunneld demo" in a browser.
func TestDemo(t *testing.T) {
	b := startBrowser(t)
	demo, url := startDemo(t)
	b.open(t, url)
	b.await(t, `document.querySelector("#status").dataset.state === "open"`)

	t.Run("console", func(t *testing.T) {
		const line = `echo grüße, 語 and 😀`
		b.fill(t, "#console-input", line)
		b.click(t, "#console-send")
		b.await(t, fmt.Sprintf(`[...document.querySelectorAll("#console-log p.asked")].some((p) =>
			p.firstElementChild.innerText.endsWith(%q) &&
			p.nextElementSibling?.className === "answer" &&
			p.nextElementSibling.innerText === %q &&
			/[0-9] ms$/.test(p.innerText))`, line, strings.TrimPrefix(line, "echo ")))
	})
	t.Run("round trips", func(t *testing.T) {
		b.await(t, `["p50", "p99"].every((q) => /^[0-9.]+ ms$/.test(document.querySelector("#rtt-" + q).innerText))`)
		checkPlot(t, b, "#rtt-plot", "--ping")
	})
	t.Run("bulk transfer", func(t *testing.T) {
		b.do(t, "select", map[string]any{"selector": "#bulk-size", "text": "64 MiB"}, nil)
		b.click(t, "#bulk-button")
		b.await(t, `[...document.querySelectorAll("#bulk-result li")].every((li) => li.dataset.verdict)`)
		var results []string
		b.evaluate(t, `[...document.querySelectorAll("#bulk-result li")].map((li) => li.dataset.verdict + " " + li.innerText)`, &results)
		want := []*regexp.Regexp{
			regexp.MustCompile(`^ok down 64 MiB in .* CRC-32 [0-9a-f]{8} on both sides$`),
			regexp.MustCompile(`^ok up 64 MiB in .* CRC-32 [0-9a-f]{8} on both sides$`),
		}
		for i, want := range want {
			if got := strings.Join(strings.Fields(results[i]), " "); !want.MatchString(got) {
				t.Errorf("result %q, want %v", got, want)
			}
		}
		checkPlot(t, b, "#bulk-plot", "--down")
		checkPlot(t, b, "#bulk-plot", "--up")
	})
	var pageErrors []string
	if b.do(t, "errors", nil, &pageErrors); len(pageErrors) > 0 {
		t.Errorf("the page reports %q", pageErrors)
	}
	t.Run("end", func(t *testing.T) {
		demo.signal(t, os.Interrupt)
		demo.awaitEnd(t)
		if demo.err != nil {
			t.Errorf("demo ended with %v", demo.err)
		}
		b.await(t, `["console", "counters", "ping"].every((name) =>
			document.querySelector("[data-testid=connection-" + name + "]").cells[2].innerText.startsWith("1001"))`)
	})
}

// startDemo runs the demo and returns its page's address.
func startDemo(t *testing.T) (demo *process, url string) {
	t.Helper()
	path, err := wstunneld()
	if err != nil {
		t.Fatal(err)
	}
	// Not the default port: a page of an earlier demo may wait there to connect again.
	demo = start(t, exec.Command(path, "demo", "--listen", "127.0.0.1:0"))
	eventually(t, func() error {
		if demo.ended() {
			t.Fatalf("demo ended: %v", demo.err)
		}
		if url = regexp.MustCompile(`http://[^ /]+/`).FindString(demo.output.String()); url == "" {
			return errors.New("demo prints no URL")
		}
		return nil
	})
	return demo, url
}

// checkPlot checks that a canvas shows points or lines in one of the page's colours.
func checkPlot(t *testing.T, b browser, selector, colour string) {
	t.Helper()
	b.await(t, fmt.Sprintf(`(() => {
		const canvas = document.querySelector(%q);
		const ctx = canvas.getContext("2d");
		ctx.fillStyle = getComputedStyle(canvas).getPropertyValue(%q);
		const want = [1, 3, 5].map((i) => parseInt(ctx.fillStyle.slice(i, i + 2), 16));
		const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
		let found = 0;
		for (let i = 0; i < data.length; i += 4) {
			if (want.every((c, j) => Math.abs(data[i + j] - c) < 16) && data[i + 3] > 64) found++;
		}
		return found > 50;
	})()`, selector, colour))
}
