// Receives with Go libraries as Debian packages them: go-github at /github, go-gitlab at /gitlab.
//
// Prints the port it listens on, then a line of JSON for each event that the library took: its name, and the event as the library
// has it. What it refuses is answered with 400. The secret is in the variable SECRET.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/google/go-github/github"
	"github.com/xanzy/go-gitlab"
)

var secret = []byte(os.Getenv("SECRET"))

func ofGitHub(request *http.Request) (string, interface{}, error) {
	body, err := github.ValidatePayload(request, secret)
	if err != nil {
		return "", nil, err
	}
	event, err := github.ParseWebHook(github.WebHookType(request), body)
	return github.WebHookType(request), event, err
}

func ofGitLab(request *http.Request) (string, interface{}, error) {
	if request.Header.Get("X-Gitlab-Token") != string(secret) {
		return "", nil, fmt.Errorf("another token")
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return "", nil, err
	}
	event, err := gitlab.ParseWebhook(gitlab.HookEventType(request), body)
	return string(gitlab.HookEventType(request)), event, err
}

func taking(parse func(*http.Request) (string, interface{}, error)) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		name, event, err := parse(request)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		line, _ := json.Marshal(map[string]interface{}{"event": name, "payload": event})
		fmt.Println(string(line))
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/github", taking(ofGitHub))
	http.HandleFunc("/gitlab", taking(ofGitLab))
	panic(http.Serve(listener, nil))
}
