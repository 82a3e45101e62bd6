//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// A browser is a headless Chromium with one page, driven by testdata/browser.mjs.
type browser struct{ *peer }

// startBrowser starts Chromium. If the test fails, a screenshot of the page is left
// in the directory of its artifacts.
func startBrowser(t *testing.T) browser {
	t.Helper()
	need(t, "node", "chromium")
	needFiles(t, "node_modules/playwright-core")
	dir := t.ArtifactDir()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	b := browser{startPeer(t, exec.Command("node", "testdata/browser.mjs", chromium))}
	t.Cleanup(func() {
		if t.Failed() {
			file := filepath.Join(dir, "page.png")
			b.do(t, "screenshot", map[string]any{"path": file}, nil)
			t.Logf("the page: %s", file)
		}
	})
	return b
}

// do carries out one of browser.mjs's actions and decodes its value, unless value
// is nil.
func (b browser) do(t *testing.T, action string, args map[string]any, value any) {
	t.Helper()
	request := map[string]any{"do": action}
	for k, v := range args {
		request[k] = v
	}
	var answer struct {
		Value json.RawMessage
		Error string
	}
	b.call(t, request, &answer)
	if answer.Error != "" {
		t.Fatalf("%v: %s", request, answer.Error)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Value, value); err != nil {
			t.Fatalf("%v: %s: %v", request, answer.Value, err)
		}
	}
}

func (b browser) open(t *testing.T, url string) {
	t.Helper()
	b.do(t, "open", map[string]any{"url": url}, nil)
}

func (b browser) click(t *testing.T, selector string) {
	t.Helper()
	b.do(t, "click", map[string]any{"selector": selector}, nil)
}

func (b browser) fill(t *testing.T, selector, text string) {
	t.Helper()
	b.do(t, "fill", map[string]any{"selector": selector, "text": text}, nil)
}

func (b browser) press(t *testing.T, key string) {
	t.Helper()
	b.do(t, "press", map[string]any{"key": key}, nil)
}

// await waits until a JavaScript expression is true.
func (b browser) await(t *testing.T, script string) {
	t.Helper()
	eventually(t, func() error {
		var ok bool
		if b.evaluate(t, script, &ok); !ok {
			return fmt.Errorf("not true: %s", script)
		}
		return nil
	})
}

// evaluate decodes the value of a JavaScript expression.
func (b browser) evaluate(t *testing.T, script string, value any) {
	t.Helper()
	b.do(t, "evaluate", map[string]any{"script": script}, value)
}
