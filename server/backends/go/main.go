// Books each decision once: Go, the Standard Webhooks library, SQLite.
package main

import (
	"database/sql"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	_ "modernc.org/sqlite"
)

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("POSTBACK_BACKEND_SECRET"))
	check(err)
	db, err := sql.Open("sqlite", setting("DATABASE", "game.db"))
	check(err)
	db.SetMaxOpenConns(1)
	// Balances in whole units: SQLite adds decimals as floating point.
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY);
		CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, balance NUMERIC NOT NULL)`)
	check(err)
	http.HandleFunc("/decisions", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		// To decline for good: 422 with {"refused":"no such player"}.
		if book(db, body) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	check(http.ListenAndServe("127.0.0.1:"+setting("PORT", "9000"), nil))
}

func book(db *sql.DB, body []byte) error {
	var decision struct {
		Data struct {
			ID, Player    string
			BalanceChange string `json:"balance_change"`
		}
	}
	if err := json.Unmarshal(body, &decision); err != nil {
		return err
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	booked, err := tx.Exec("INSERT INTO decisions VALUES (?) ON CONFLICT DO NOTHING", decision.Data.ID)
	if err != nil {
		return err
	}
	n, err := booked.RowsAffected()
	if err != nil {
		return err
	}
	// Known already: the response got lost, so say again that it is done.
	if n > 0 {
		_, err = tx.Exec(`INSERT INTO players VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance`,
			decision.Data.Player, decision.Data.BalanceChange)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
