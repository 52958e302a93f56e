-- CreateTable
CREATE TABLE "Node" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "endsAt" DATETIME NOT NULL,
    "stamp" INTEGER NOT NULL
);

-- CreateTable
CREATE TABLE "Attendance" (
    "node" TEXT NOT NULL,
    "userId" INTEGER NOT NULL,
    "connected" BOOLEAN NOT NULL,

    PRIMARY KEY ("node", "userId"),
    CONSTRAINT "Attendance_node_fkey" FOREIGN KEY ("node") REFERENCES "Node" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Tally" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "count" INTEGER NOT NULL,
    "endsAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "Tally_endsAt_idx" ON "Tally"("endsAt");
