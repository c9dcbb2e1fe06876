// The same two routes on Go's net/http and pgx, as a careful engineer of that stack would write them.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

type echoIn struct {
	Title    string   `json:"title"`
	Tags     []string `json:"tags"`
	Priority string   `json:"priority"`
}

type echoOut struct {
	Title    string   `json:"title"`
	Tags     []string `json:"tags"`
	Priority string   `json:"priority"`
	Length   int      `json:"length"`
}

type task struct {
	ID          string     `json:"id"`
	Title       string     `json:"title"`
	Description *string    `json:"description"`
	Status      string     `json:"status"`
	Priority    string     `json:"priority"`
	DueDate     *time.Time `json:"due_date"`
	UserID      string     `json:"user_id"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	Tags        []string   `json:"tags"`
	Offset      *int       `json:"reminder_offset_minutes"`
	RemindAt    *time.Time `json:"remind_at"`
	IsRecurring bool       `json:"is_recurring"`
	Rule        *string    `json:"recurrence_rule"`
	Parent      *string    `json:"parent_task_id"`
	Timezone    *string    `json:"timezone"`
	RepeatFrom  string     `json:"repeat_from"`
	Version     int        `json:"version"`
}

// What a client may send of a task.
type taskIn struct {
	Title       string     `json:"title"`
	Description *string    `json:"description"`
	Priority    string     `json:"priority"`
	DueDate     *time.Time `json:"due_date"`
	Tags        []string   `json:"tags"`
}

type event struct {
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	Timestamp string `json:"timestamp"`
	UserID    string `json:"user_id"`
	TaskID    string `json:"task_id"`
	Payload   any    `json:"payload"`
}

var priorities = map[string]bool{"low": true, "medium": true, "high": true}

func fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": detail})
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 65536)).Decode(into); err != nil {
		fail(w, 422, "The body is not valid JSON")
		return false
	}
	return true
}

func valid(title string, tags []string, priority string) bool {
	for _, tag := range tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > 50 {
			return false
		}
	}
	n := utf8.RuneCountInString(title)
	return n >= 1 && n <= 255 && len(tags) <= 20 && priorities[priority]
}

func lower(tags []string) []string {
	out := make([]string, len(tags))
	for i, tag := range tags {
		out[i] = strings.ToLower(tag)
	}
	return out
}

func echo(w http.ResponseWriter, r *http.Request) {
	var in echoIn
	if !read(w, r, &in) {
		return
	}
	if !valid(in.Title, in.Tags, in.Priority) {
		fail(w, 422, "title, tags or priority is not valid")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(echoOut{in.Title, lower(in.Tags), in.Priority, len(in.Title)})
}

type server struct {
	pool   *pgxpool.Pool
	secret []byte
	insert string
	parser *jwt.Parser
}

func (s *server) user(r *http.Request) string {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	claims := jwt.RegisteredClaims{}
	_, err := s.parser.ParseWithClaims(bearer, &claims, func(*jwt.Token) (any, error) { return s.secret, nil })
	if err != nil {
		return ""
	}
	return claims.Subject
}

func (s *server) create(w http.ResponseWriter, r *http.Request) {
	user := s.user(r)
	if user == "" {
		fail(w, 401, "Invalid token")
		return
	}
	in := taskIn{Priority: "medium"}
	if !read(w, r, &in) {
		return
	}
	if !valid(in.Title, in.Tags, in.Priority) || in.Description != nil && utf8.RuneCountInString(*in.Description) > 2000 {
		fail(w, 422, "title, tags or priority is not valid")
		return
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	t := task{ID: uuid.NewString(), Title: in.Title, Description: in.Description, Status: "pending",
		Priority: in.Priority, DueDate: in.DueDate, UserID: user, CreatedAt: now, UpdatedAt: now,
		Tags: lower(in.Tags), RepeatFrom: "due_date", Version: 1}
	stamp := now.Format(time.RFC3339Nano)
	first, second := uuid.NewString(), uuid.NewString()
	created, _ := json.Marshal(event{first, "task.created", stamp, user, t.ID, t})
	synced, _ := json.Marshal(event{second, "task.sync", stamp, user, t.ID, map[string]any{"action": "created", "task": t}})
	_, err := s.pool.Exec(r.Context(), s.insert, t.ID, user, t.Title, t.Description, t.Status, t.Priority, t.DueDate, t.Tags,
		t.Offset, t.RemindAt, t.Rule, t.Parent, t.Timezone, t.RepeatFrom, t.Version, now, now, nil,
		"task-events", first, "task.created", string(created), "task-updates", second, "task.sync", string(synced))
	if err != nil {
		log.Print(err)
		fail(w, 503, "The database is not available")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(201)
	_ = json.NewEncoder(w).Encode(t)
}

func main() {
	insert, err := os.ReadFile(os.Getenv("INSERT_SQL"))
	if err != nil {
		log.Fatal(err)
	}
	poolSize, err := strconv.Atoi(os.Getenv("POOL"))
	if err != nil {
		log.Fatal(err)
	}
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = int32(poolSize)
	config.MinConns = int32(poolSize)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	s := &server{pool, []byte(os.Getenv("JWT_SECRET")), string(insert), jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bench/echo", echo)
	mux.HandleFunc("POST /api/tasks", s.create)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	log.Fatal((&http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe())
}
