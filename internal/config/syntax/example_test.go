package syntax_test

import (
	"fmt"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

func ExampleParse() {
	src := `
$HTTP["url"] = "/ws" {
    wstunnel.server = ("" => (("host" => "127.0.0.1" "port" => 5900)))
    wstunnel.ping-interval = 10s
}
`
	_, err := syntax.Parse("ws.conf", []byte(src))
	fmt.Println(err)
	// Output:
	// ws.conf:2:14: unknown operator "=": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)
	// ws.conf:3:54: expected "," or ")", found string "port": put a comma between the elements of a list
	// ws.conf:4:30: "10s" is not a whole number: write digits alone, or put text in quotes
}
