-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Push" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "deviceId" INTEGER NOT NULL,
    "messageId" BIGINT NOT NULL,
    "nextTryAt" DATETIME NOT NULL,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "doubtful" BOOLEAN NOT NULL DEFAULT false
);
INSERT INTO "new_Push" ("deviceId", "id", "messageId", "nextTryAt", "tries") SELECT "deviceId", "id", "messageId", "nextTryAt", "tries" FROM "Push";
DROP TABLE "Push";
ALTER TABLE "new_Push" RENAME TO "Push";
CREATE INDEX "Push_nextTryAt_idx" ON "Push"("nextTryAt");
CREATE INDEX "Push_doubtful_nextTryAt_idx" ON "Push"("doubtful", "nextTryAt");
CREATE UNIQUE INDEX "Push_deviceId_messageId_key" ON "Push"("deviceId", "messageId");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
