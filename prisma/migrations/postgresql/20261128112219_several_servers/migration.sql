-- CreateTable
CREATE UNLOGGED TABLE "Node" (
    "name" TEXT NOT NULL,
    "endsAt" TIMESTAMPTZ(3) NOT NULL,
    "stamp" INTEGER NOT NULL,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE UNLOGGED TABLE "Attendance" (
    "node" TEXT NOT NULL,
    "userId" INTEGER NOT NULL,
    "connected" BOOLEAN NOT NULL,

    CONSTRAINT "Attendance_pkey" PRIMARY KEY ("node","userId")
);

-- CreateTable
CREATE UNLOGGED TABLE "Tally" (
    "key" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "endsAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Tally_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "Tally_endsAt_idx" ON "Tally"("endsAt");

-- AddForeignKey
ALTER TABLE "Attendance" ADD CONSTRAINT "Attendance_node_fkey" FOREIGN KEY ("node") REFERENCES "Node"("name") ON DELETE CASCADE ON UPDATE CASCADE;
