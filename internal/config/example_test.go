package config_test

import (
	"fmt"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config"
)

func Example() {
	cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(`
server.modules = ( "mod_wstunnel" )
$HTTP["url"] =~ "^/vnc" {
	wstunnel.server = ( "/vnc" => ( ( "host" => "::1", "port" => 5900 ) ) )
}
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/vnc/1", "/index.html"} {
		s := cfg.Resolve(&config.Request{Path: path})
		if ext := s.Wstunnel.Match(path); ext != nil {
			fmt.Println(path, "is a tunnel to", ext.Hosts[0].Address)
		} else {
			fmt.Println(path, "is a file")
		}
	}
	// Output:
	// /vnc/1 is a tunnel to [::1]:5900
	// /index.html is a file
}

func Example_errors() {
	_, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(`
server.port = "http"
$HTTP["uri"] == "/" { }
server.tag = server.nam
`)})
	fmt.Println(err)
	// Output:
	// -:2:15: server.port is "http", but takes an integer from 0 to 65535: write server.port = 8080
	// -:3:7: unknown condition field $HTTP["uri"]: the fields are $HTTP["url"], "host", "remote-ip", "query-string", "request-method", "scheme", "user-agent", "referer", "cookie" and "language", $REQUEST_HEADER["Name"] and $SERVER["socket"]
	// -:4:14: undefined variable server.nam: define it before its first use
}
